/** Module plans as the parts and rows that a transformer runs, and its rows as the outputs asked for. */
import {
  MASS,
  moduleKey,
  type GivenModule,
  type ModuleKey,
  type ModuleOutput,
  type ModulePlan,
} from './caching/contract.ts'
import type { ModuleShape, Rows, TokenCounts } from './families/contract.ts'
import { tensor } from './tensor.ts'

/** What a plan is checked against. */
export interface PlanBounds {
  readonly from: number
  readonly to: number
  readonly kinds: ReadonlySet<string>
  /** Kinds that can be emitted only. */
  readonly seen?: ReadonlySet<string>
  readonly tokens: TokenCounts
}

const blockOf = (key: ModuleKey): number => Number(key.slice(key.lastIndexOf('.') + 1))

function keyFault(key: ModuleKey, { from, to, kinds, seen }: PlanBounds, emitted: boolean): string | null {
  const dot = key.lastIndexOf('.')
  const [kind, block] = [key.slice(0, dot), Number(key.slice(dot + 1))]
  if (!kinds.has(kind) && !(emitted && seen?.has(kind)))
    return `'${key}': this model has modules ${[...kinds].join(', ') || 'none'}`
  return Number.isInteger(block) && block >= from && block < to ? null : `'${key}': outside blocks ${from} to ${to}`
}

function refreshFault(key: ModuleKey, chosen: readonly number[] | undefined, image: number): string | null {
  if (!chosen) return null
  if (!key.startsWith('mlp')) return `'${key}': only an 'mlp' looks at one token at a time and can be refreshed in part`
  const rising = chosen.every((token, i) => Number.isInteger(token) && token > (chosen[i - 1] ?? -1) && token < image)
  return rising && chosen.length > 0 ? null : `'${key}': tokens to refresh must rise, from 0 to below ${image}`
}

/** Received attention comes out of an attention that is run. */
const massFault = (key: ModuleKey, given: NonNullable<ModulePlan['given']>): string | null =>
  key.startsWith(`${MASS}.`) && given.has(`attn.${key.slice(MASS.length + 1)}` as ModuleKey)
    ? `'${key}': the attention of this block is given, not run`
    : null

/** Attention that would look at text tokens to which a module has not been added. */
function textFaults(given: NonNullable<ModulePlan['given']>, { from, to, kinds }: PlanBounds): readonly string[] {
  const first = Math.min(...[...given.keys()].map(blockOf))
  if (!Number.isFinite(first) || !kinds.has('attn')) return []
  const behind = Array.from({ length: to - Math.max(from, first + 1) }, (_, i) => moduleKey('attn', to - 1 - i))
  return behind
    .filter((key) => !given.has(key))
    .map((key) => `'${key}': looks at text, which a textless plan leaves out`)
}

/** By block, then kind, so that equal plans are equal texts. */
const sorted = (keys: Iterable<ModuleKey>): readonly ModuleKey[] =>
  [...keys].sort((a, b) => blockOf(a) - blockOf(b) || (a < b ? -1 : 1))

/** The shape of a plan over blocks [from, to). Throws one error that lists every fault of the plan. */
export function shapeOfPlan(plan: ModulePlan, bounds: PlanBounds): ModuleShape {
  const { given = new Map<ModuleKey, GivenModule>(), emit = new Set<ModuleKey>(), textless = false } = plan
  const faults = [
    ...new Set([...given.keys()].map((key) => keyFault(key, bounds, false))),
    ...new Set([...emit].map((key) => keyFault(key, bounds, true))),
    ...[...emit].map((key) => massFault(key, given)),
    ...[...given].map(([key, { refresh }]) => refreshFault(key, refresh, bounds.tokens.image)),
    ...(textless ? textFaults(given, bounds) : []),
  ].filter((fault) => fault !== null)
  if (faults.length > 0) throw new RangeError(`module plan: ${faults.join('; ')}`)
  const keys = sorted(given.keys())
  const refreshed = keys.flatMap((key) => {
    const count = given.get(key)?.refresh?.length
    return count === undefined ? [] : [[key, count] as const]
  })
  const shape = { given: keys, refreshed: Object.fromEntries(refreshed), emitted: sorted(emit) }
  return textless ? { ...shape, textless } : shape
}

/** The tensors of a plan, by row name. */
export function rowsOfPlan({ given = new Map() }: ModulePlan, { given: keys, textless }: ModuleShape): Rows {
  const rows = keys.flatMap((key) => {
    const { output, refresh } = given.get(key)!
    return [
      [`${key}.image`, output.image] as const,
      ...(output.text && !textless ? [[`${key}.text`, output.text] as const] : []),
      ...(refresh ? [[`${key}.tokens`, tensor(Float32Array.from(refresh), [1, refresh.length])] as const] : []),
    ]
  })
  return Object.fromEntries(rows)
}

/** Takes the outputs of a plan's modules out of the rows that a range of blocks gave. */
export function emittedFrom(rows: Rows, { given }: ModulePlan, { emitted, given: keys, textless }: ModuleShape) {
  const outputs = new Map<ModuleKey, ModuleOutput>()
  for (const key of emitted) {
    const taken = given?.get(key)
    const image = rows[`${key}.image`]
    if (!image && !taken) throw new Error(`denoiser: the transformer gave no output of '${key}'`)
    const text = (!textless && rows[`${key}.text`]) || null
    outputs.set(key, image ? { image, text } : taken!.output)
  }
  const names = new Set([...emitted, ...keys].flatMap((key) => [`${key}.image`, `${key}.text`, `${key}.tokens`]))
  const rest: Rows = Object.fromEntries(Object.entries(rows).filter(([name]) => !names.has(name)))
  return { outputs, rest }
}
