/** The denoiser of one sampling run: a transformer over batches, as caching methods call it, one sample and branch at a time. */
import type { Branch, Call, Denoiser, Hidden } from './caching/contract.ts'
import { CoalescingQueue, type Spent } from './coalescing.ts'
import type { Conditioning, Part, Prepared, Rows, Transformer } from './families/contract.ts'
import { tensor, type Tensor } from './tensor.ts'

/** A denoiser and the account of what it ran. */
export interface MeteredDenoiser {
  readonly denoiser: Denoiser
  /** Blocks run and wall-clock milliseconds shared for this sample, branch and evaluation, counted since the last time asked. */
  readonly takeSpent: (call: Call, branch: Branch) => Spent
}

/** What travels with a hidden state besides its tokens: further block inputs, and whose account its runs go on. */
interface Context {
  readonly rows: Rows
  readonly shared: Rows
  readonly slot: number
  readonly spent: Spent
}

const nothingSpent = (): Spent => ({ blocks: 0, milliseconds: 0 })

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
  readonly #prepared: ReadonlyMap<Branch, Prepared>
  readonly #samples: number
  readonly #spent = new Map<number, Spent>()

  constructor(
    facts: Denoiser['facts'],
    queue: CoalescingQueue,
    prepared: ReadonlyMap<Branch, Prepared>,
    samples: number,
  ) {
    this.facts = facts
    this.#queue = queue
    this.#prepared = prepared
    this.#samples = samples
  }

  async predict(call: Call, branch: Branch): Promise<Tensor> {
    return this.head(await this.blocks(await this.embed(call, branch), 0, this.facts.depth))
  }

  async embed(call: Call, branch: Branch): Promise<Hidden> {
    const prepared = this.#prepared.get(branch)
    if (!prepared) throw new Error(`denoiser: this run has no '${branch}' branch`)
    const slot = this.#slot(call.sample, branch)
    const context = { shared: prepared.shared, slot, spent: this.#account(slot) }
    const sigma = tensor(Float32Array.of(call.sigma), [1])
    const rows = { ...prepared.rows, latent: call.latent, sigma }
    return toHidden(await this.#queue.run({ kind: 'embed' }, rows, prepared.shared, slot, context.spent), context)
  }

  async blocks(hidden: Hidden, from: number, to: number): Promise<Hidden> {
    if (from === to) return hidden
    const context = hidden.context as Context
    return toHidden(await this.#run({ kind: 'blocks', from, to }, hidden, context), context)
  }

  async head(hidden: Hidden): Promise<Tensor> {
    return predictionOf(await this.#run({ kind: 'head' }, hidden, hidden.context as Context))
  }

  takeSpent(sample: number, branch: Branch): Spent {
    const slot = this.#slot(sample, branch)
    const spent = this.#account(slot)
    this.#spent.delete(slot)
    return spent
  }

  #run(part: Part, hidden: Hidden, context: Context): Promise<Rows> {
    return this.#queue.run(part, toRows(hidden, context), context.shared, context.slot, context.spent)
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

/**
 * Opens the denoiser of one run over `samples` latents of shape `latentShape` ([C, H, W], video [C, F, H, W]); each branch's
 * conditioning is prepared once. Throws InterruptedError from any call once `signal` is aborted, before the next part runs.
 */
export async function openDenoiser(
  transformer: Transformer,
  conditioning: ReadonlyMap<Branch, Conditioning>,
  latentShape: readonly number[],
  samples: number,
  signal: AbortSignal,
): Promise<MeteredDenoiser> {
  const prepared = new Map<Branch, Prepared>()
  for (const [branch, one] of conditioning) prepared.set(branch, await transformer.prepare(one, latentShape))
  const denoiser = new RunDenoiser(transformer.facts, new CoalescingQueue(transformer, signal), prepared, samples)
  return { denoiser, takeSpent: (call, branch) => denoiser.takeSpent(call.sample, branch) }
}
