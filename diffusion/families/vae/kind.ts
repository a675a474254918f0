/** What each file in vae/kinds/ exports: one kind of autoencoder, recognised by its keys and shapes. */
import type { Weights } from '../../onnx/weights.ts'
import type { Autoencoder, LatentScaling } from '../contract.ts'
import type { Json, Releasable } from '../family.ts'

export type OpenedAutoencoder = Autoencoder & Releasable

/** The default export of `vae/kinds/<name>.ts`. */
export interface AutoencoderKind {
  /** diffusers' class name, which config.json carries: 'AutoencoderKL'. */
  readonly name: string
  /**
   * Opens the weights if they are of this kind, and gives null if they are of another. Keys have no prefix; `config` is the
   * config.json beside them and names this class, or null: then sizes come from the shapes and the rest is as published. Throws, naming
   * the file, when weights of this kind are broken. `scaling` is that of the model's latents, where the model is known and the kind leaves it open.
   */
  open(weights: Weights, config: Json | null, scaling?: LatentScaling): OpenedAutoencoder | null
}
