/** Calls a node: values from literals and links, once per element of the lists that come in, results joined again. */
import type { RunContext } from '../../nodes/define.ts'
import type { Lists, Spec } from '../../nodes/spec.ts'
import type { Result } from './memo.ts'
import type { PromptNode, RunJob } from './protocol.ts'
import type { RegisteredNode } from './registry.ts'
import { asLink, unwrap } from './shape.ts'

/** A value that came over a link does not fit the input it goes to. */
export class InputError extends Error {
  override readonly name = 'InputError'
}

export interface CallSite {
  readonly id: string
  readonly node: PromptNode
  readonly registered: RegisteredNode
  readonly job: RunJob
  readonly lists: Lists
  readonly resultOf: (id: string) => Result | undefined
}

/** The values of one input, one per element of its list. */
type Column = readonly unknown[]

function hiddenValue(spec: Spec<unknown>, site: CallSite): unknown {
  if (spec.type === 'UNIQUE_ID') return site.id
  if (spec.type === 'PROMPT') return site.job.prompt
  return site.job.extraData['extra_pnginfo']
}

/** What stands for an optional input that was left out: its default, or nothing. */
function absent(spec: Spec<unknown>, lists: Lists): unknown {
  const value = spec.linkOnly ? undefined : spec.options(lists)['default']
  if (value === undefined) return undefined
  const parsed = spec.parse(value, lists)
  return parsed.ok ? parsed.value : undefined
}

function converted(name: string, spec: Spec<unknown>, value: unknown, lists: Lists): unknown {
  if (spec.linkOnly) return value
  const parsed = spec.parse(value, lists)
  if (parsed.ok) return parsed.value
  throw new InputError(`input '${name}': ${parsed.fault.message}. ${parsed.fault.details}`.trim())
}

function columnOf(name: string, spec: Spec<unknown>, site: CallSite): Column {
  if (spec.hidden) return [hiddenValue(spec, site)]
  const value = site.node.inputs[name]
  if (value === undefined || (value === null && !spec.required)) return [absent(spec, site.lists)]
  const link = asLink(value)
  if (!link) return [converted(name, spec, unwrap(value), site.lists)]
  const values = site.resultOf(link.from)?.outputs[link.slot]
  if (!values) throw new InputError(`input '${name}': node '${link.from}' gave nothing on output ${link.slot}`)
  return values.map((one) => converted(name, spec, one, site.lists))
}

/** The inputs of every call: as many as the longest list, shorter ones repeating their last element. */
export function callsOf(site: CallSite): Readonly<Record<string, unknown>>[] {
  const columns = site.registered.inputs.map(([name, spec]) => [name, columnOf(name, spec, site)] as const)
  const empty = columns.find(([, column]) => column.length === 0)
  if (empty) throw new InputError(`input '${empty[0]}': the list that came over the link is empty`)
  const length = Math.max(1, ...columns.map(([, column]) => column.length))
  return Array.from({ length }, (_, index) =>
    Object.fromEntries(columns.map(([name, column]) => [name, column[Math.min(index, column.length - 1)]])),
  )
}

type Returned = Readonly<Record<string, unknown>> & { readonly ui?: Result['ui'] }

function mergeUi(parts: readonly Result['ui'][]): Result['ui'] {
  const merged: Record<string, readonly unknown[]> = {}
  for (const part of parts)
    for (const [key, values] of Object.entries(part ?? {})) merged[key] = [...(merged[key] ?? []), ...values]
  return Object.keys(merged).length > 0 ? merged : undefined
}

function join(results: readonly Returned[], registered: RegisteredNode): Result {
  const outputs = registered.outputNames.map((name) => results.map((result) => result[name]))
  return { outputs, ui: mergeUi(results.map((result) => result.ui)) }
}

/** Runs a node over all its calls, one after another. Synchronous when the node is. */
export function invoke(site: CallSite, context: RunContext): Result | Promise<Result> {
  const calls = callsOf(site)
  const run = (values: Readonly<Record<string, unknown>>) =>
    site.registered.definition.run(values as never, context) as Returned | Promise<Returned>
  const first = run(calls[0]!)
  if (calls.length === 1 && !(first instanceof Promise)) return join([first], site.registered)
  return (async () => {
    const results = [await first]
    for (const values of calls.slice(1)) {
      context.signal.throwIfAborted()
      results.push(await run(values))
    }
    return join(results, site.registered)
  })()
}
