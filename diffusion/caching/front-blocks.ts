/** The part that block caches share: front blocks run every time, the middle is run or estimated, back blocks run every time. */
import type { Tensor } from '../tensor.ts'
import type { Branch, Call, Denoiser, Facts, Hidden } from './contract.ts'
import { mayWriteOver, ResidualEstimator, type Forecast } from './estimators.ts'
import { residualDistance, sizedDifference, type Sized } from './passes.ts'

/** How many blocks run at every evaluation, at each end of the model. */
export interface Ends {
  readonly front: number
  readonly back: number
}

/** One branch of one evaluation after its front blocks. */
export interface Front {
  readonly call: Call
  readonly input: Hidden
  readonly output: Hidden
}

/** The cuts that such a method enters and leaves the model at. */
export const cutsFor = ({ front, back }: Ends, { depth }: Facts): number[] => [
  ...new Set([0, front, depth - back, depth]),
]

/** State of one branch of one sample. What is kept is its own: no buffer of the runtime is relied on. */
export class FrontBlocks {
  readonly #ends: Ends
  readonly #middle: ResidualEstimator
  /** What the front blocks added to the image tokens at the last computed evaluation, [1, image tokens, width]. */
  #reference: Sized | null = null

  constructor(ends: Ends, forecast: Forecast) {
    this.#ends = ends
    this.#middle = new ResidualEstimator(forecast, ends.back > 0 ? 'image and text' : 'image')
  }

  async open(call: Call, branch: Branch, denoiser: Denoiser): Promise<Front> {
    const input = await denoiser.embed(call, branch)
    return { call, input, output: await denoiser.blocks(input, 0, this.#ends.front) }
  }

  /** Whether a middle can be estimated at all. */
  get ready(): boolean {
    return this.#middle.ready
  }

  /** mean|Q* - Q| / mean|Q*|, Q being the front residual and Q* that of the last computed evaluation; NaN before there is one. */
  drift({ input, output }: Front): number {
    const before = this.#reference
    return before ? residualDistance(output.image, input.image, before.tokens) / before.size : NaN
  }

  /** Runs the middle and learns from it. */
  async compute({ call, input, output }: Front, denoiser: Denoiser): Promise<Tensor> {
    const after = await denoiser.blocks(output, this.#ends.front, denoiser.facts.depth - this.#ends.back)
    this.#reference = sizedDifference(output.image, input.image, this.#reference?.tokens.data)
    this.#middle.learn(call, output, after)
    return this.#finish(after, denoiser)
  }

  /** Estimates the middle. Throws when not `ready`. */
  estimate({ call, output }: Front, denoiser: Denoiser): Promise<Tensor> {
    return this.#finish(this.#middle.estimate(call, output, mayWriteOver(denoiser)), denoiser)
  }

  async #finish(middle: Hidden, denoiser: Denoiser): Promise<Tensor> {
    const [{ depth }, { back }] = [denoiser.facts, this.#ends]
    return denoiser.head(back === 0 ? middle : await denoiser.blocks(middle, depth - back, depth))
  }
}
