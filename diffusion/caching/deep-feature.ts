/** What DeepCache reuses on a U-Net (arXiv 2312.00858, section 3.2): the tokens that enter a layer on the way up, as a whole. */
import { copy, meanAbs } from '../tensor.ts'
import type { Call, Hidden } from './contract.ts'

/** What stands in for a range of blocks that is left out; `ResidualEstimator` is another. */
export interface StandIn {
  /** Whether there is anything to reuse. */
  readonly ready: boolean
  /** Takes in a range that ran at `call`, from its input to its output. */
  learn(call: Call, input: Hidden, output: Hidden): void
  /** The range's output for `input`, without running it, written over its image tokens where that may be. Throws when not `ready`. */
  estimate(call: Call, input: Hidden, over: boolean): Hidden
}

/**
 * Keeps the tokens behind a range of blocks. They replace those of a later evaluation, whose own skip tensors come with `input`: the
 * range must lie between two ends of one skip connection (`Needs.skips`). Tokens that are not finite are not kept.
 */
export class DeepFeature implements StandIn {
  #kept: Hidden['image'] | null = null

  get ready(): boolean {
    return this.#kept !== null
  }

  learn(_: Call, __: Hidden, { image }: Hidden): void {
    // A copy, as the runtime may write its buffers again.
    this.#kept = Number.isFinite(meanAbs(image)) ? copy(image, this.#kept?.data) : null
  }

  estimate(_: Call, input: Hidden): Hidden {
    if (!this.#kept) throw new Error('DeepFeature: expected a computed evaluation before it is reused')
    return { ...input, image: this.#kept }
  }
}
