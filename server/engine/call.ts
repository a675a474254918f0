/** Calls a node: values from literals and links, once per element of the lists that come in, results joined again. */
import { Blocked, Expansion, type RunContext, type Shown } from '../../nodes/define.ts'
import type { Lists, Spec } from '../../nodes/spec.ts'
import { BY_VALUE, decidesItself } from './check-node.ts'
import type { LiveGraph } from './graph.ts'
import type { Result } from './memo.ts'
import type { PromptNode, RunJob } from './protocol.ts'
import type { RegisteredNode } from './registry.ts'
import { linkOf, unwrap } from './shape.ts'

/** A value that came over a link does not fit the input it goes to. */
export class InputError extends Error {
  override readonly name = 'InputError'
}

export interface CallSite {
  readonly id: string
  readonly node: PromptNode
  readonly registered: RegisteredNode
  readonly graph: LiveGraph
  readonly job: RunJob
  readonly lists: Lists
  readonly resultOf: (id: string) => Result | undefined
}

export type Values = Readonly<Record<string, unknown>>
/** Inputs of one call. */
export interface Call {
  readonly values: Values
  readonly undeclared: Values
  /** The first block among them: then nothing is called. */
  readonly blocked: Blocked | null
}
/** What one call gave. */
export type Part =
  | { readonly kind: 'values'; readonly values: Values; readonly ui: Shown | undefined }
  | { readonly kind: 'blocked'; readonly by: Blocked }
  | { readonly kind: 'expansion'; readonly expansion: Expansion }

/** The values of one input, one per element of its list. */
type Column = readonly unknown[]

function hiddenValue(spec: Spec<unknown>, site: CallSite): unknown {
  if (spec.type === 'UNIQUE_ID') return site.id
  if (spec.type === 'PROMPT') return site.job.prompt
  if (spec.type === 'DYNPROMPT') return site.graph
  if (spec.type === 'AUTH_TOKEN_COMFY_ORG') return site.job.secrets?.auth_token_comfy_org
  if (spec.type === 'API_KEY_COMFY_ORG') return site.job.secrets?.api_key_comfy_org
  return site.job.extraData['extra_pnginfo']
}

/** What stands for an optional input that was left out: its default, or nothing. */
function absent(spec: Spec<unknown>, lists: Lists): unknown {
  const value = spec.linkOnly ? undefined : spec.options(lists)['default']
  if (value === undefined) return undefined
  const parsed = spec.parse(value, lists)
  return parsed.ok ? parsed.value : undefined
}

function converted(name: string, spec: Spec<unknown>, value: unknown, { lists, registered }: CallSite): unknown {
  if (spec.linkOnly || value instanceof Blocked) return value
  const parsed = spec.parse(value, lists)
  if (parsed.ok) return parsed.value
  if (BY_VALUE.test(parsed.fault.type) && decidesItself(registered, name)) return value
  throw new InputError(`input '${name}': ${parsed.fault.message}. ${parsed.fault.details}`.trim())
}

/** What came over a link; null when the source has not run. */
function arrived(value: unknown, site: CallSite): Column | null {
  const link = linkOf(value)
  return (link && site.resultOf(link.from)?.outputs[link.slot]) ?? null
}

function columnOf(name: string, spec: Spec<unknown>, site: CallSite): Column {
  if (spec.hidden) return [hiddenValue(spec, site)]
  const value = site.node.inputs[name]
  if (value === undefined || (value === null && !spec.required)) return [absent(spec, site.lists)]
  const link = linkOf(value)
  if (!link) return [converted(name, spec, unwrap(value), site)]
  if (spec.rawLink) return [[link.from, link.slot]]
  const values = arrived(value, site)
  if (values) return values.map((one) => converted(name, spec, one, site))
  if (spec.lazy) return [undefined]
  throw new InputError(`input '${name}': node '${link.from}' gave nothing on output ${link.slot}`)
}

/** Linked inputs beyond the declared ones; literals among them are dropped. */
function undeclaredColumns(site: CallSite): readonly (readonly [string, Column])[] {
  const { node, registered } = site
  if (!registered.definition.variadic) return []
  const names = Object.keys(node.inputs).filter((name) => !registered.spec(name))
  return names.flatMap((name) => {
    const column = arrived(node.inputs[name], site)
    return column ? [[name, column] as const] : []
  })
}

type Columns = readonly (readonly [string, Column])[]

function blockIn(values: Values): Blocked | null {
  for (const name in values) if (values[name] instanceof Blocked) return values[name]
  return null
}

function callAt(columns: Columns, undeclared: Columns, index: number): Call {
  const at = ([name, column]: Columns[number]) => [name, column[Math.min(index, column.length - 1)]] as const
  const values = Object.fromEntries(columns.map(at))
  const more = Object.fromEntries(undeclared.map(at))
  return { values, undeclared: more, blocked: blockIn(values) ?? blockIn(more) }
}

function wholeLists(columns: Columns, undeclared: Columns): Call {
  const blocked = [...columns, ...undeclared].flatMap(([, column]) => column).find((one) => one instanceof Blocked)
  return {
    values: Object.fromEntries(columns),
    undeclared: Object.fromEntries(undeclared),
    blocked: blocked ?? null,
  }
}

/** The inputs of every call: as many as the longest list, shorter ones repeating their last element; or one with whole lists. */
export function callsOf(site: CallSite): Call[] {
  const columns = site.registered.inputs.map(([name, spec]) => [name, columnOf(name, spec, site)] as const)
  const undeclared = undeclaredColumns(site)
  if (site.registered.definition.inputIsList) return [wholeLists(columns, undeclared)]
  let length = 1
  for (const list of [columns, undeclared])
    for (const [name, column] of list) {
      if (column.length === 0) throw new InputError(`input '${name}': the list that came over the link is empty`)
      length = Math.max(length, column.length)
    }
  return Array.from({ length }, (_, index) => callAt(columns, undeclared, index))
}

const isPromise = <T>(value: T | Promise<T>): value is Promise<T> => value instanceof Promise

/** `next` of a value, at once when the value is there already. */
export const after = <T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> =>
  isPromise(value) ? value.then(next) : next(value)

/** Lazy inputs that the node asks for and that have not run yet. Throws InputError for one that nothing could give. */
export function wantedInputs(site: CallSite): readonly string[] | Promise<readonly string[]> {
  const { registered, node } = site
  const { definition } = registered
  if (!definition.needs || !registered.hasLazy) return []
  const isMissing = (name: string): boolean => {
    const link = linkOf(node.inputs[name])
    const given = node.inputs[name] !== undefined && !link
    if (given || (link && site.resultOf(link.from))) return false
    if (!link) throw new InputError(`the node needs its input '${name}', which is not linked`)
    return true
  }
  const asked = callsOf(site).filter(({ blocked }) => blocked === null)
  const answers = asked.map(({ values }) => definition.needs?.(values as never) ?? [])
  const missing = (names: readonly (readonly string[])[]) => [...new Set(names.flat())].filter(isMissing)
  return answers.some((answer) => answer instanceof Promise)
    ? Promise.all(answers.map((answer) => Promise.resolve(answer))).then(missing)
    : missing(answers as (readonly string[])[])
}

function partOf(returned: unknown): Part {
  if (returned instanceof Expansion) return { kind: 'expansion', expansion: returned }
  if (returned instanceof Blocked) return { kind: 'blocked', by: returned }
  if (typeof returned !== 'object' || returned === null)
    throw new TypeError(`run must return an object with the node's outputs, not ${typeof returned}`)
  return { kind: 'values', values: returned as Values, ui: (returned as { ui?: Shown }).ui }
}

/** Runs a node over all its calls. Synchronous when the node is; calls of an asynchronous one run together unless it is heavy. */
export function invoke(
  site: CallSite,
  contextOf: (call: number, undeclared: Values) => RunContext,
  onBlocked: (by: Blocked) => Blocked = (by) => by,
): Part[] | Promise<Part[]> {
  const { definition, heavy } = site.registered
  const run = (call: Call, index: number): Part | Promise<Part> =>
    call.blocked
      ? { kind: 'blocked', by: onBlocked(call.blocked) }
      : after(definition.run(call.values as never, contextOf(index, call.undeclared)) as unknown, partOf)
  const calls = callsOf(site)
  if (!heavy || calls.length === 1) {
    const parts = calls.map(run)
    return parts.some((part) => part instanceof Promise)
      ? Promise.all(parts.map((part) => Promise.resolve(part)))
      : (parts as Part[])
  }
  return (async () => {
    const parts: Part[] = []
    for (const [index, call] of calls.entries()) {
      contextOf(index, call.undeclared).signal.throwIfAborted()
      parts.push(await run(call, index))
    }
    return parts
  })()
}

function mergeUi(parts: readonly (Shown | undefined)[]): Shown | undefined {
  const shown = parts.filter((part) => part !== undefined)
  if (shown.length <= 1) return shown[0]
  const merged: Record<string, readonly unknown[]> = {}
  for (const part of shown)
    for (const [key, values] of Object.entries(part)) merged[key] = [...(merged[key] ?? []), ...values]
  return merged
}

/** The values that one call gave for one output, in the list that follows. */
function given(part: Part, name: string, isList: boolean, resultOf: CallSite['resultOf']): Column {
  if (part.kind === 'blocked') return [part.by]
  const value = part.kind === 'values' ? part.values[name] : part.expansion.outputs[name]
  const link = part.kind === 'expansion' ? linkOf(value) : null
  const source = link && resultOf(link.from)
  if (source) return source.outputs[link.slot] ?? []
  if (!isList || value instanceof Blocked) return [value]
  if (!Array.isArray(value)) throw new TypeError(`output '${name}' is a list output: run must return a list for it`)
  return value as Column
}

/** The outputs of all calls as lists, and what they show. Links of expansions are followed. */
export function joined(parts: readonly Part[], site: Pick<CallSite, 'registered' | 'resultOf'>): Result {
  const { outputNames, definition } = site.registered
  const outputs = outputNames.map((name) => {
    const isList = (definition.listOutputs as readonly string[] | undefined)?.includes(name) ?? false
    return parts.flatMap((part) => given(part, name, isList, site.resultOf))
  })
  const ui = parts.map((part) =>
    part.kind === 'values' ? part.ui : part.kind === 'expansion' ? part.expansion.ui : undefined,
  )
  return { outputs, ui: mergeUi(ui) }
}
