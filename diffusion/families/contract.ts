/** What a model family provides: a transformer in parts over batches, text encoders, an autoencoder, and how it is sampled. */
import type { CacheConfiguration, Facts, ModuleKey } from '../caching/contract.ts'
import type { Tensor } from '../tensor.ts'
import type { ChangeWeights } from './changes.ts'

/** A prompt as the transformer takes it; in a sampling run also a batch of B prompts, one for each latent. */
export interface Conditioning {
  /** Text tokens [1 or B, L, D] (FLUX: T5). */
  readonly tokens: Tensor
  /** Pooled text [1 or B, P] (FLUX: CLIP), or null where the family has none. */
  readonly pooled: Tensor | null
  /** Which tokens are text [1 or B, L]: 1, and 0 for padding that is not to be looked at. Absent where all are. */
  readonly mask?: Tensor
  /** Further model inputs set by nodes: `guidance` (FluxGuidance), ... */
  readonly extras: Readonly<Record<string, number>>
  /** Model inputs that are tensors, set by nodes, [1, ...] each: `concat_latent_image`, `concat_mask` and `clip_vision_output` (WanImageToVideo), ... */
  readonly tensors?: Readonly<Record<string, Tensor>>
  /** Shares of sampling between which the prompt applies, 0 the noisiest; absent where it always does. */
  readonly range?: { readonly start: number; readonly end: number }
}

/** Tensors by name, each with a leading batch extent. */
export type Rows = Readonly<Record<string, Tensor>>

/** What depends on the prompt and the latent's shape but not on the step; made once per branch and run. */
export interface Prepared {
  /** Inputs with a batch extent of 1 (embedded text tokens, embedded pooled text). */
  readonly rows: Rows
  /** Inputs all samples share, without batch extent (rotary tables). Compared by identity when calls are coalesced. */
  readonly shared: Rows
  readonly tokens: TokenCounts
}

/** Tokens of one row between the blocks. */
export interface TokenCounts {
  readonly image: number
  /** 0 where no text tokens pass through the blocks. */
  readonly text: number
}

/** A noise level and the time that the model is told of it, in training steps. */
export interface Level {
  readonly sigma: number
  readonly timestep: number
}

/** What depends on the prompt and the noise level but not on the latent, made for several levels at once. */
export interface Foreseen {
  /** By level, then by prompt: rows that `embed` takes beside the prepared ones, as it would else make them. */
  readonly rows: readonly (readonly Rows[])[]
  /** Estimated operations of one prompt at one level. */
  readonly flops: number
}

/** Which modules of a range of blocks are not simply run; the tensors are rows named after them. */
export interface ModuleShape {
  /** Taken from the rows '<key>.image' and '<key>.text' instead of being run. */
  readonly given: readonly ModuleKey[]
  /** Of those, computed anew for some image tokens, listed in the row '<key>.tokens' [B, count]: the count of each. */
  readonly refreshed: Readonly<Record<ModuleKey, number>>
  /** Given back as rows '<key>.image' and '<key>.text'. */
  readonly emitted: readonly ModuleKey[]
  /** There are no rows '<key>.text': what is given adds nothing to the text tokens. */
  readonly textless?: true
}

/** Which part of the transformer to run. */
export type Part =
  /** `foreseen`: with rows of `Transformer.foresee`, which it then need not make. */
  | { readonly kind: 'embed'; readonly foreseen?: boolean }
  | { readonly kind: 'blocks'; readonly from: number; readonly to: number; readonly modules?: ModuleShape }
  | { readonly kind: 'head' }
  | { readonly kind: 'tap'; readonly name: string }

/**
 * A transformer in parts, over a batch of rows. `embed` takes rows `latent` [B, C, H, W] as `Prediction.input` gives it,
 * `sigma` [B], `timestep` [B] (in training steps) and the prepared rows, and gives `image` [B, image tokens, width], `text` [B, text tokens, width] (if the family has one) and whatever else its blocks
 * take (time embedding). `blocks` takes and gives the same names; `head` gives `prediction` [B, C, H, W]; `tap` takes what
 * `blocks` takes and gives one row under its own name.
 */
export interface Transformer {
  readonly facts: Facts
  /** `latentShape` is [C, H, W] (video: [C, F, H, W]). Throws when the conditioning's widths are not this model's. */
  prepare(conditioning: Conditioning, latentShape: readonly number[]): Promise<Prepared>
  /**
   * Makes what prompts need at noise levels to come: for the first of `levels`, as many as it cares to hold at a time, at least one. Absent
   * where `embed` has nothing to gain from it.
   */
  foresee?(prepared: readonly Prepared[], levels: readonly Level[]): Promise<Foreseen>
  run(part: Part, rows: Rows, shared: Rows): Promise<Rows>
  /** Estimated floating-point operations of a part for one row of so many tokens: matrix products and attention. */
  flops(part: Part, tokens: TokenCounts): number
  /** Bytes that one row holds at least at some moment of the blocks for each of its image tokens; absent where it is not known. */
  readonly heldPerToken?: number
  /** Closes its sessions; later calls of `run` throw. */
  release(): Promise<void>
}

/** The sampler's latents are (the autoencoder's own - shift) * scale. */
export interface LatentScaling {
  readonly scale: number
  readonly shift: number
}

/** Latents as the sampler sees them, relative to what the autoencoder gives. */
export interface LatentFormat {
  readonly channels: number
  /** Pixels per latent cell along each side. */
  readonly factor: number
  /** Frames per latent frame of a video model, whose latents are [B, C, F, h, w]; absent for pictures: [B, C, h, w]. */
  readonly temporalFactor?: number
  /** How they are scaled, for autoencoders that come without a configuration; absent where there is but one for these latents. */
  readonly scaling?: LatentScaling
  /** Linear map latent -> RGB in 0..1 for previews: `weights` [channels][3] and `bias` [3]; null if unknown. */
  readonly rgb: { readonly weights: readonly (readonly number[])[]; readonly bias: readonly number[] } | null
  /** A small autoencoder's quick look at latents, for previews: [B, C, h, w] -> [B, H, W, 3] in 0..1; absent where there is none. */
  readonly sketch?: (latent: Tensor) => Promise<Tensor>
}

/** The model predicts noise - clean at sigma in 0..1, x_sigma = (1 - sigma) clean + sigma noise. */
export interface FlowParametrisation {
  readonly kind: 'flow'
  /** Static time shift s: sigma' = s sigma / (1 + (s - 1) sigma). 1 leaves sigmas as they are. */
  readonly shift: number
  /** Number of training noise levels (1000). */
  readonly trainSteps: number
}

/** The model was trained on a table of noise levels; x_sigma = clean + sigma noise, sigma from about 0.01 to above 10. */
export interface DiscreteParametrisation {
  /** What it predicts: the noise, or v = (noise - sigma clean) / sqrt(sigma^2 + 1). */
  readonly kind: 'epsilon' | 'v'
  /** Cumulative products of 1 - beta [trainSteps], falling. */
  readonly alphas: Float64Array
  readonly trainSteps: number
}

/** How the model's noise levels are laid out, and what it predicts. */
export type Parametrisation = FlowParametrisation | DiscreteParametrisation

/** The value of a MODEL link. Patches make a new value. */
export interface DiffusionModel {
  readonly family: string
  /** Where it came from, for messages and reports. */
  readonly name: string
  readonly transformer: Transformer
  readonly parametrisation: Parametrisation
  readonly latent: LatentFormat
  /** Carried by the model through guiders and custom samplers (ApplyCache, EasyCache, LazyCache); a sampler's own cache comes first. */
  readonly cache?: CacheConfiguration
  /** Opens the transformer anew from the same files with all these changes on its weights (LoRAs). The sessions of both stay apart. */
  readonly reopen?: (changes: readonly ChangeWeights[]) => Transformer
  /** What has been put on its weights. */
  readonly changes?: readonly ChangeWeights[]
}

/** The value of a CLIP link: every text encoder of a model and their tokenizers. */
export interface TextEncoders {
  /** Text to conditioning; too long a text is cut at the model's limit and `onWarning` is told. */
  encode(text: string, onWarning?: (message: string) => void): Promise<Conditioning>
  /** A text of its own for each encoder, by ComfyUI's short names ('l', 'g'); absent where there is one encoder only. */
  encodeEach?(texts: Readonly<Record<string, string>>, onWarning?: (message: string) => void): Promise<Conditioning>
  /** Opens the encoders anew from the same files with all these changes on their weights (LoRAs). */
  readonly reopen?: (changes: readonly ChangeWeights[]) => Promise<TextEncoders & { release(): Promise<void> }>
  /** What has been put on their weights. */
  readonly changes?: readonly ChangeWeights[]
}

/**
 * The value of a VAE link. Pixels are [B, H, W, 3] in 0..1; latents are already scaled and shifted for the sampler. An autoencoder for
 * video has a `temporalFactor` t: F latent frames are 1 + (F - 1) t frames, and a batch of videos is one batch of all their frames.
 */
export interface Autoencoder {
  readonly factor: number
  /** Frames per latent frame, for video; absent where latents are single pictures. */
  readonly temporalFactor?: number
  readonly channels: number
  /** What scaling it gives latents, and takes them in unless it is told; absent where there is but one for these latents. */
  readonly scaling?: LatentScaling
  /** [B, C, h, w] -> [B, h * factor, w * factor, 3], clamped to 0..1; of video [B, C, F, h, w] -> [B * frames, h * factor, w * factor, 3]. */
  decode(latent: Tensor, scaling?: LatentScaling): Promise<Tensor>
  /**
   * [B, H, W, 3] -> [B, C, H / factor, W / factor] (mean of the posterior); H and W must be multiples of `factor`. For video the pictures
   * are the frames of one: [1, C, 1 + floor((B - 1) / t), H / factor, W / factor]; frames beyond 1 + a multiple of t are left out.
   */
  encode(pixels: Tensor): Promise<Tensor>
}

/** What a vision model sees in a batch of pictures. */
export interface VisionOutput {
  /** Every token's final state [B, T, width], the first of which stands for the whole picture. */
  readonly last: Tensor
  /** The same before the last layer: what image-to-video models look at. */
  readonly penultimate: Tensor
  /** The whole picture [B, P], projected where the model has a projection. */
  readonly embeds: Tensor
}

/** The value of a CLIP_VISION link. */
export interface VisionEncoder {
  /** [B, H, W, 3] in 0..1 of any size; 'center' cuts pictures to squares, 'none' squeezes them. */
  encode(pixels: Tensor, crop: 'center' | 'none'): Promise<VisionOutput>
}

/** The three values that a checkpoint holds. */
export interface Checkpoint {
  readonly model: DiffusionModel
  readonly clip: TextEncoders
  readonly vae: Autoencoder
}
