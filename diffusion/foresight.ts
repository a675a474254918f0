/** What a transformer can make for the noise levels of a run before their evaluations, kept until later ones are made. */
import type { Foreseen, Level, Prepared, Rows, Transformer } from './families/contract.ts'

/** What was made at one time: for as many levels as it has rows, from this one on. */
interface Made extends Foreseen {
  readonly from: number
}

const covers = ({ from, rows }: Made, level: number): boolean => level >= from && level < from + rows.length

/** Asked for a level that it does not have, it makes that one and as many after it as the transformer cares to. */
export class Foresight {
  readonly #transformer: Transformer
  readonly #prepared: readonly Prepared[]
  readonly #levels: readonly Level[]
  readonly #places: ReadonlyMap<number, number>
  #made: Made | null = null
  #turn: Promise<unknown> = Promise.resolve()

  /** `levels` are those of the run's steps, in order; `prepared` all its prompts. */
  constructor(transformer: Transformer, prepared: readonly Prepared[], levels: readonly Level[]) {
    this.#transformer = transformer
    this.#prepared = prepared
    this.#levels = levels
    this.#places = new Map(transformer.foresee ? levels.map(({ sigma }, i) => [sigma, i]) : [])
  }

  /** What `embed` may be handed for a prompt; null where it has to make it itself, as at levels between the steps of a run. */
  async rows(prepared: Prepared, sigma: number): Promise<Rows | null> {
    const level = this.#places.get(sigma)
    if (level === undefined) return null
    const made = await this.#with(level)
    return made.rows[level - made.from]?.[this.#prepared.indexOf(prepared)] ?? null
  }

  /** Operations that a prompt has cost at this level, whether its rows were asked for or not. */
  flops(sigma: number): number {
    const level = this.#places.get(sigma)
    return level !== undefined && this.#made && covers(this.#made, level) ? this.#made.flops : 0
  }

  /** One after another: the prompts of an evaluation ask at the same time. */
  #with(level: number): Promise<Made> {
    const made = this.#turn.then(() => (this.#made && covers(this.#made, level) ? this.#made : this.#make(level)))
    this.#turn = made
    return made
  }

  async #make(from: number): Promise<Made> {
    const foreseen = await this.#transformer.foresee!(this.#prepared, this.#levels.slice(from))
    return (this.#made = { ...foreseen, from })
  }
}
