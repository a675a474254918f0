/** What the folder of a model family exports, so that files of unknown origin can be recognised and opened. */
import type { Weights } from '../onnx/weights.ts'
import type { ChangeWeights, Place } from './changes.ts'
import type { TextNeeds } from './text/needs.ts'
import type { LatentFormat, LatentScaling, Parametrisation, TextEncoders, Transformer } from './contract.ts'

export type { Place }

/** A parsed JSON object, such as a `config.json`. */
export type Json = Readonly<Record<string, unknown>>

/** Something that holds sessions. */
export interface Releasable {
  release(): Promise<void>
}

/** A transformer, and what its file says about how it is sampled when nothing else does. */
export interface OpenedTransformer {
  readonly transformer: Transformer
  /** Channels of the latents it takes. */
  readonly latentChannels: number
  /** How it is sampled when no scheduler configuration says otherwise. */
  readonly parametrisation: Parametrisation
  /** How its latents are scaled when no autoencoder's configuration says otherwise. */
  readonly scaling?: LatentScaling
  /** How a latent cell looks, for previews when the autoencoder's folder does not say it. */
  readonly rgb?: LatentFormat['rgb']
  /** Frames per latent frame, of a video model. */
  readonly temporalFactor?: number
}

/** How well a file fits one layout of one family. */
export interface Fit {
  /** Family and layout, for messages: 'flux (original keys)'. */
  readonly label: string
  /** Share of the tensors that the layout wants and the file has, 0..1; 1 fits. */
  readonly share: number
  /** What does not fit: 'x_embedder.weight: missing, expected [64, 32]'. */
  readonly misfits: readonly string[]
  /** Only when `share` is 1. */
  open(change?: ChangeWeights): OpenedTransformer
}

/** The default export of `families/<name>/family.ts`. */
export interface Family {
  /** The registry name that facts and reports carry: 'flux'. */
  readonly name: string
  /** `_class_name` in the model_index.json of its diffusers folders. */
  readonly pipelines: readonly string[]
  /** One fit per layout that this family's checkpoints come in. `config` is the config.json beside the file, if any. */
  fits(weights: Weights, config: Json | null): readonly Fit[]
  /** What it reads prompts with. A family without one, or with other things than encoders (class labels), has `openText`. */
  readonly text?: TextNeeds
  /** Opens what reads prompts in a diffusers folder, where that is not `text`. */
  openText?(folder: string): Promise<TextEncoders & Releasable>
}
