/** The part that block caches share: front blocks run every time, the middle is run or estimated, back blocks run every time. */
import { meanAbs, meanAbsDifference, sub, type Tensor } from '../tensor.ts'
import type { Branch, Call, Denoiser, Facts, Hidden } from './contract.ts'
import { ResidualEstimator, type Forecast } from './estimators.ts'

/** How many blocks run at every evaluation, at each end of the model. */
export interface Ends {
  readonly front: number
  readonly back: number
}

/** One branch of one evaluation after its front blocks. */
export interface Front {
  readonly call: Call
  readonly output: Hidden
  /** What the front blocks added to the image tokens, [1, image tokens, width]. */
  readonly residual: Tensor
}

/** The cuts that such a method enters and leaves the model at. */
export const cutsFor = ({ front, back }: Ends, { depth }: Facts): number[] => [
  ...new Set([0, front, depth - back, depth]),
]

/** State of one branch of one sample. What is kept is its own: no buffer of the runtime is relied on. */
export class FrontBlocks {
  readonly #ends: Ends
  readonly #middle: ResidualEstimator
  /** The front residual of the last computed evaluation and its mean magnitude. */
  #reference: { readonly residual: Tensor; readonly size: number } | null = null
  /** Memory of the front residual at hand, until it becomes the reference. */
  #residual: Float32Array | undefined

  constructor(ends: Ends, forecast: Forecast) {
    this.#ends = ends
    this.#middle = new ResidualEstimator(forecast, ends.back > 0 ? 'image and text' : 'image')
  }

  async open(call: Call, branch: Branch, denoiser: Denoiser): Promise<Front> {
    const input = await denoiser.embed(call, branch)
    const output = await denoiser.blocks(input, 0, this.#ends.front)
    const residual = sub(output.image, input.image, this.#residual)
    this.#residual = residual.data
    return { call, output, residual }
  }

  /** Whether a middle can be estimated at all. */
  get ready(): boolean {
    return this.#middle.ready
  }

  /** mean|Q* - Q| / mean|Q*|, Q being the front residual and Q* that of the last computed evaluation; NaN before there is one. */
  drift({ residual }: Front): number {
    return this.#reference ? meanAbsDifference(residual, this.#reference.residual) / this.#reference.size : NaN
  }

  /** Runs the middle and learns from it. */
  async compute({ call, output, residual }: Front, denoiser: Denoiser): Promise<Tensor> {
    const after = await denoiser.blocks(output, this.#ends.front, denoiser.facts.depth - this.#ends.back)
    this.#residual = this.#reference?.residual.data
    this.#reference = { residual, size: meanAbs(residual) }
    this.#middle.learn(call, output, after)
    return this.#finish(after, denoiser)
  }

  /** Estimates the middle. Throws when not `ready`. */
  estimate({ call, output }: Front, denoiser: Denoiser): Promise<Tensor> {
    return this.#finish(this.#middle.estimate(call, output), denoiser)
  }

  async #finish(middle: Hidden, denoiser: Denoiser): Promise<Tensor> {
    const [{ depth }, { back }] = [denoiser.facts, this.#ends]
    return denoiser.head(back === 0 ? middle : await denoiser.blocks(middle, depth - back, depth))
  }
}
