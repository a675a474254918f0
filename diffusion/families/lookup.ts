/** Finds the weights of a part by name while its graph is built, and names everything that was missing at once. */
import type { Linear } from '../onnx/ops.ts'
import type { StoredTensor, Weights } from '../onnx/weights.ts'

/** Old diffusers checkpoints have other names for the same tensors. */
export type Aliases = Readonly<Record<string, string>>

/** Looks tensors up under a prefix; a missing one is an error that says which names were tried. */
export class WeightLookup {
  readonly #weights: Weights
  readonly #prefix: string
  readonly #aliases: Aliases

  constructor(weights: Weights, prefix = '', aliases: Aliases = {}) {
    this.#weights = weights
    this.#prefix = prefix
    this.#aliases = aliases
  }

  /** The same weights seen from a deeper module. */
  in(module: string): WeightLookup {
    return new WeightLookup(this.#weights, `${this.#prefix}${module}.`, this.#aliases)
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined
  }

  at(name: string, rank?: number): StoredTensor {
    const found = this.#find(name)
    if (!found) throw new Error(`${this.#weights.where}: no tensor '${this.#prefix}${name}'`)
    if (rank !== undefined && found.shape.length !== rank)
      throw new Error(`${this.#weights.where}: '${found.name}' is [${found.shape.join(', ')}], expected ${rank} axes`)
    return found
  }

  /** `name.weight`, with `name.bias` where there is one. */
  linear(name: string): Linear {
    return { weight: this.at(`${name}.weight`), bias: this.#find(`${name}.bias`) ?? null }
  }

  #find(name: string): StoredTensor | undefined {
    const { tensors } = this.#weights
    const dot = name.lastIndexOf('.')
    const old = this.#aliases[name.slice(0, dot)]
    return (
      tensors.get(this.#prefix + name) ?? (old ? tensors.get(`${this.#prefix}${old}${name.slice(dot)}`) : undefined)
    )
  }
}
