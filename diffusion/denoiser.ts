/** The denoiser of one sampling run: a transformer over batches, as caching methods call it, one sample and branch at a time. */
import { nothingSpent, plainFlops, type Spent } from './accounting.ts'
import {
  MASS,
  type Branch,
  type Call,
  type Denoiser,
  type Hidden,
  type ModulePlan,
  type ModuleRun,
} from './caching/contract.ts'
import { CoalescingQueue, sameShapes, sameShared } from './coalescing.ts'
import type { Conditioning, Level, Part, Prepared, Rows, TokenCounts, Transformer } from './families/contract.ts'
import { Foresight } from './foresight.ts'
import { emittedFrom, rowsOfPlan, shapeOfPlan } from './modules.ts'
import { concatRows, row, tensor, type Tensor } from './tensor.ts'

/** A denoiser and the account of what it ran. */
export interface MeteredDenoiser {
  readonly denoiser: Denoiser
  /** What was run for this sample, branch and evaluation, and its share of the time, counted since the last time asked. */
  readonly takeSpent: (call: Call, branch: Branch) => Spent
  /** Estimated operations of one plain evaluation of one sample, all branches. */
  readonly plainFlops: number
  /** The most image tokens of a row, and how many rows an evaluation without a cache runs as one batch. */
  readonly largest: { readonly image: number; readonly rows: number }
}

/** What travels with a hidden state besides its tokens: further block inputs, and whose account its runs go on. */
interface Context {
  readonly rows: Rows
  readonly shared: Rows
  readonly slot: number
  readonly tokens: TokenCounts
  readonly spent: Spent
}

function toHidden({ image, text, ...rows }: Rows, context: Omit<Context, 'rows'>): Hidden {
  if (!image) throw new Error("denoiser: the transformer gave no 'image' tokens")
  return { image, text: text ?? null, context: { ...context, rows } satisfies Context }
}

const toRows = ({ image, text }: Hidden, { rows }: Context): Rows =>
  text ? { ...rows, image, text } : { ...rows, image }

function predictionOf(rows: Rows): Tensor {
  if (!rows['prediction']) throw new Error("denoiser: the transformer's head gave no 'prediction'")
  return rows['prediction']
}

class RunDenoiser implements Denoiser {
  readonly facts: Denoiser['facts']
  readonly #queue: CoalescingQueue
  readonly #foresight: Foresight
  /** One for all samples, or one for each. */
  readonly #prepared: ReadonlyMap<Branch, readonly Prepared[]>
  readonly #samples: number
  readonly #spent = new Map<number, Spent>()

  constructor(
    facts: Denoiser['facts'],
    queue: CoalescingQueue,
    foresight: Foresight,
    prepared: ReadonlyMap<Branch, readonly Prepared[]>,
    samples: number,
  ) {
    this.facts = facts
    this.#queue = queue
    this.#foresight = foresight
    this.#prepared = prepared
    this.#samples = samples
  }

  async predict(call: Call, branch: Branch): Promise<Tensor> {
    return this.head(await this.blocks(await this.embed(call, branch), 0, this.facts.depth))
  }

  async embed(call: Call, branch: Branch): Promise<Hidden> {
    const all = this.#prepared.get(branch)
    const prepared = all?.length === 1 ? all[0] : all?.[call.sample]
    if (!prepared) throw new Error(`denoiser: this run has no '${branch}' branch`)
    const slot = this.#slot(call.sample, branch)
    const { shared, tokens } = prepared
    const context = { shared, slot, tokens, spent: this.#account(slot) }
    const [sigma, timestep] = [call.sigma, call.timestep].map((value) => tensor(Float32Array.of(value), [1]))
    const foreseen = await this.#foresight.rows(prepared, call.sigma)
    const part: Part = { kind: 'embed', ...(foreseen && { foreseen: true }) }
    const rows = { ...prepared.rows, latent: call.latent, sigma: sigma!, timestep: timestep!, ...foreseen }
    return toHidden(await this.#queue.run({ part, rows, ...context }), context)
  }

  async blocks(hidden: Hidden, from: number, to: number): Promise<Hidden> {
    if (from === to) return hidden
    const context = hidden.context as Context
    return toHidden(await this.#run({ kind: 'blocks', from, to }, hidden, context), context)
  }

  async modules(hidden: Hidden, from: number, to: number, plan: ModulePlan): Promise<ModuleRun> {
    const context = hidden.context as Context
    const { modules: kinds, taps } = this.facts
    const seen = new Set(taps.has('attention mass') ? [MASS] : [])
    const modules = shapeOfPlan(plan, { from, to, kinds, seen, tokens: context.tokens })
    const rows = await this.#run({ kind: 'blocks', from, to, modules }, hidden, context, rowsOfPlan(plan, modules))
    const { outputs, rest } = emittedFrom(rows, plan, modules)
    return { hidden: toHidden(rest, context), outputs }
  }

  async tap(hidden: Hidden, name: string): Promise<Tensor> {
    const tapped = await this.#run({ kind: 'tap', name }, hidden, hidden.context as Context)
    if (!tapped[name]) throw new Error(`denoiser: the transformer gave no '${name}'`)
    return tapped[name]
  }

  async head(hidden: Hidden): Promise<Tensor> {
    return predictionOf(await this.#run({ kind: 'head' }, hidden, hidden.context as Context))
  }

  takeSpent({ sample, sigma }: Call, branch: Branch): Spent {
    const slot = this.#slot(sample, branch)
    const spent = this.#account(slot)
    this.#spent.delete(slot)
    return { ...spent, flops: spent.flops + this.#foresight.flops(sigma) }
  }

  #run(part: Part, hidden: Hidden, context: Context, more: Rows = {}): Promise<Rows> {
    const { shared, slot, tokens, spent } = context
    return this.#queue.run({ part, rows: { ...toRows(hidden, context), ...more }, shared, slot, tokens, spent })
  }

  /** Rows of one branch lie side by side, so that their latents do too. */
  #slot(sample: number, branch: Branch): number {
    return [...this.#prepared.keys()].indexOf(branch) * this.#samples + sample
  }

  #account(slot: number): Spent {
    const known = this.#spent.get(slot)
    if (known) return known
    const fresh = nothingSpent()
    this.#spent.set(slot, fresh)
    return fresh
  }
}

/** The prompts that a conditioning holds, one for all samples or one for each, as conditionings of one row. */
function promptsOf(conditioning: Conditioning): readonly Conditioning[] {
  const { tokens, pooled, mask } = conditioning
  const count = tokens.shape[0] ?? 1
  if (count === 1) return [conditioning]
  return Array.from({ length: count }, (_, i) => {
    const own = { ...conditioning, tokens: row(tokens, i), pooled: pooled && row(pooled, i) }
    return mask ? { ...own, mask: row(mask, i) } : own
  })
}

function largestOf(branches: readonly (readonly Prepared[])[], samples: number): MeteredDenoiser['largest'] {
  const rows = branches.flatMap((all) => all.map((one) => ({ one, count: all.length === 1 ? samples : 1 })))
  const joined = ({ one }: (typeof rows)[number]): number =>
    rows
      .filter((other) => sameShared(other.one.shared, one.shared) && sameShapes(other.one.rows, one.rows))
      .reduce((sum, { count }) => sum + count, 0)
  return { image: Math.max(0, ...rows.map(({ one }) => one.tokens.image)), rows: Math.max(0, ...rows.map(joined)) }
}

/** The same rows, where they are alike, with those of one name side by side in memory: a batch of them is joined without copying. */
function sideBySide(all: readonly Prepared[]): readonly Prepared[] {
  const shapes = ({ rows }: Prepared): string =>
    JSON.stringify(Object.entries(rows).map(([name, { shape }]) => [name, shape]))
  const [first] = all
  if (!first || all.some((one) => shapes(one) !== shapes(first))) return all
  const names = Object.keys(first.rows)
  const stacked = names.map((name) => concatRows(all.map(({ rows }) => rows[name]!)))
  return all.map((one, i) => {
    return { ...one, rows: Object.fromEntries(names.map((name, k) => [name, row(stacked[k]!, i)])) }
  })
}

/**
 * Opens the denoiser of one run over `samples` latents of shape `latentShape` ([C, H, W], video [C, F, H, W]); each prompt
 * of a branch is prepared once. `levels` are those that evaluations are expected at. Throws InterruptedError from any call once `signal` is aborted, before the next part runs.
 */
export async function openDenoiser(
  transformer: Transformer,
  conditioning: ReadonlyMap<Branch, Conditioning>,
  latentShape: readonly number[],
  samples: number,
  signal: AbortSignal,
  levels: readonly Level[] = [],
): Promise<MeteredDenoiser> {
  const prompts = [...conditioning].flatMap(([branch, one]) => promptsOf(one).map((prompt) => ({ branch, prompt })))
  const made: Prepared[] = []
  for (const { prompt } of prompts) made.push(await transformer.prepare(prompt, latentShape))
  const rows = sideBySide(made)
  const own = (branch: Branch) => rows.filter((_, i) => prompts[i]!.branch === branch)
  const prepared = new Map([...conditioning.keys()].map((branch) => [branch, own(branch)]))
  const queue = new CoalescingQueue(transformer, signal)
  const foresight = new Foresight(transformer, rows, levels)
  const denoiser = new RunDenoiser(transformer.facts, queue, foresight, prepared, samples)
  return {
    denoiser,
    takeSpent: (call, branch) => denoiser.takeSpent(call, branch),
    largest: largestOf([...prepared.values()], samples),
    plainFlops: [...prepared.values()].reduce(
      (sum, [first]) => sum + (first ? plainFlops(transformer, first.tokens) : 0),
      0,
    ),
  }
}
