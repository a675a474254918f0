/** Predicted speed-ups at any value of a knob, from one recorded run: they aim the runs that measure. */
import type { Recording } from '../../../diffusion/caching/recording.ts'
import { replay } from '../../../diffusion/caching/replay.ts'
import type { Transformer } from '../../../diffusion/families/contract.ts'
import { computedShare, rounded, type Knob } from './knob.ts'

/** Halvings of a range when a predicted speed-up is looked for; a prediction costs no run of the model. */
const HALVINGS = 10

export class Guide {
  readonly #recording: Recording
  readonly #knob: Knob
  readonly #transformer: Transformer
  readonly #known = new Map<number, number>()

  constructor(recording: Recording, knob: Knob, transformer: Transformer) {
    this.#recording = recording
    this.#knob = knob
    this.#transformer = transformer
  }

  /** Predicted factor by which the work shrinks, 1 or more. */
  async speedUp(value: number): Promise<number> {
    const known = this.#known.get(value)
    if (known !== undefined) return known
    const speedUp = 1 / computedShare(await replay(this.#recording, this.#knob.at(value), this.#transformer))
    this.#known.set(value, speedUp)
    return speedUp
  }

  /** The slowest value between two at which the prediction reaches this speed-up; `fast` where none does. */
  async reaching(speedUp: number, slow: number, fast: number, whole: boolean): Promise<number> {
    let [below, above] = [slow, fast]
    for (let i = 0; i < HALVINGS; i++) {
      const middle = rounded((below + above) / 2, whole)
      if (middle === below || middle === above) break
      if ((await this.speedUp(middle)) >= speedUp) above = middle
      else below = middle
    }
    return above
  }
}
