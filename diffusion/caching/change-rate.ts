/** EasyCache's gate (arXiv 2507.02860): how much the output will have changed, told from the input and a rate learnt on the way. */
import { meanAbs, meanAbsDifference, type Tensor } from '../tensor.ts'

/** Where a measure looks: everywhere, or at every `stride`-th place of each row and column. */
export function sampled({ data, shape }: Tensor, stride: number): Tensor {
  if (stride === 1) return { data: data.slice(), shape }
  const [width = 1, height = 1] = [shape.at(-1), shape.at(-2)]
  const [wide, high] = [Math.ceil(width / stride), Math.ceil(height / stride)]
  const planes = data.length / (width * height)
  const out = new Float32Array(planes * high * wide)
  for (let plane = 0, at = 0; plane < planes; plane++)
    for (let y = 0; y < height; y += stride)
      for (let x = 0; x < width; x += stride, at++) out[at] = data[(plane * height + y) * width + x]!
  return { data: out, shape: [...shape.slice(0, -2), high, wide] }
}

export interface ChangeRateRules {
  /** 'call' measures the input's change since the evaluation before (official), 'computed' since the last computed one (ComfyUI). */
  readonly since: 'call' | 'computed'
  readonly stride: number
}

/** What of a computed evaluation is compared with later. */
interface Computed {
  readonly input: Tensor
  readonly output: Tensor
  /** mean|output|, over all of it. */
  readonly size: number
}

/** State of one gate. Everything kept is a copy. */
export class ChangeRate {
  readonly #rules: ChangeRateRules
  #computed: Computed | null = null
  #last: Tensor | null = null
  /** Mean change of the output per mean change of the input, between the last two computed evaluations. */
  #rate: number | null = null
  #sum = 0

  constructor(rules: ChangeRateRules) {
    this.#rules = rules
  }

  /** rate * mean|input - earlier| / mean|output|; null while no rate is known or the result is no number. */
  predict(input: Tensor): number | null {
    const earlier = this.#rules.since === 'call' ? this.#last : this.#computed?.input
    if (!earlier || !this.#computed || this.#rate === null) return null
    const change = (this.#rate * meanAbsDifference(sampled(input, this.#rules.stride), earlier)) / this.#computed.size
    return Number.isFinite(change) ? change : null
  }

  /** Adds a predicted change to the sum and gives the sum. */
  add(change: number): number {
    this.#sum += change
    return this.#sum
  }

  clear(): void {
    this.#sum = 0
  }

  /** Every evaluation's input, computed or not, after `predict`. */
  see(input: Tensor): void {
    if (this.#rules.since === 'call') this.#last = sampled(input, this.#rules.stride)
  }

  /** A computed evaluation; the rate is learnt where `rated`. `size` is mean|output| unless it is taken over more than this output. */
  learn(input: Tensor, output: Tensor, rated: boolean, size = meanAbs(output)): void {
    const { stride } = this.#rules
    const now = { input: sampled(input, stride), output: sampled(output, stride), size }
    if (this.#computed && rated) {
      const rate =
        meanAbsDifference(now.output, this.#computed.output) / meanAbsDifference(now.input, this.#computed.input)
      this.#rate = Number.isFinite(rate) ? rate : null
    }
    this.#computed = Number.isFinite(size) ? now : null
  }
}
