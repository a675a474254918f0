/** What travels on a link: one line per port, with its value, and the declarations of inputs that take links. */
import type { CacheConfiguration } from '../diffusion/caching/contract.ts'
import type { CacheReport } from '../diffusion/caching/report-types.ts'
import type {
  Autoencoder,
  Conditioning,
  DiffusionModel,
  LatentScaling,
  TextEncoders,
  VisionEncoder,
  VisionOutput,
} from '../diffusion/families/contract.ts'
import type { Sampler, SamplingRun } from '../diffusion/sampling-types.ts'
import type { Tensor } from '../diffusion/tensor.ts'
import type { DynamicGraph, Link } from './define.ts'
import type { Spec } from './spec.ts'

/** Latents to work on, and what goes with them; names with underscores are ComfyUI's. */
export interface Latent {
  /** f32 [B, C, h, w] (video: [B, C, F, h, w]), already in the sampler's scale. */
  readonly samples: Tensor
  /** MASK in 0..1 of any size: what is to be sampled anew; absent where all is. */
  readonly noise_mask?: Tensor
  /** Which draw of the seed's noise each latent starts from; absent where they are one batch, drawn at once. */
  readonly batch_index?: readonly number[]
  /** Scaling of the samples, for autoencoders that serve several; absent for blank ones. */
  readonly scaling?: LatentScaling
}

/** Where a run's starting noise comes from. */
export interface NoiseSource {
  /** Of the noise that samplers add on their way. */
  readonly seed: bigint
  /** Unit noise shaped like the samples of `latent`. */
  readonly noiseFor: (latent: Latent) => Tensor
}

/** A model with its prompts and guidance scales. */
export type Guider = Pick<SamplingRun, 'model' | 'positive' | 'negative' | 'guidance' | 'second'>

/** A film. */
export interface Video {
  /** f32 [F, H, W, 3] in 0..1. */
  readonly frames: Tensor
  /** Frames a second. */
  readonly rate: number
}

/** Port name to the immutable value on its links. Packs add their own with `declare module`. */
export interface PortTypes {
  /** Anything: fits every port on either side. */
  '*': unknown
  MODEL: DiffusionModel
  CLIP: TextEncoders
  VAE: Autoencoder
  CLIP_VISION: VisionEncoder
  CLIP_VISION_OUTPUT: VisionOutput
  CONDITIONING: readonly Conditioning[]
  LATENT: Latent
  NOISE: NoiseSource
  SAMPLER: Sampler
  /** Noise levels of a run: one more than it makes steps. */
  SIGMAS: readonly number[]
  GUIDER: Guider
  /** f32 [B, H, W, 3] in 0..1. */
  IMAGE: Tensor
  /** Frames and how fast they follow each other. */
  VIDEO: Video
  /** f32 [B, H, W] in 0..1. */
  MASK: Tensor
  CACHE: CacheConfiguration
  CACHE_REPORT: CacheReport
  INT: number
  FLOAT: number
  STRING: string
  BOOLEAN: boolean
}
export type PortName = keyof PortTypes

interface PortOptions {
  readonly help?: string
}

/** An input that only a link can fill. */
export function port<P extends PortName>(name: P, o?: PortOptions): Spec<PortTypes[P]>
export function port<P extends PortName>(
  name: P,
  o: PortOptions & { readonly optional: true },
): Spec<PortTypes[P] | undefined>
export function port<P extends PortName>(
  name: P,
  o: PortOptions & { readonly optional?: boolean } = {},
): Spec<PortTypes[P] | undefined> {
  return {
    type: name,
    required: !o.optional,
    linkOnly: true,
    hidden: false,
    options: () => (o.help === undefined ? {} : { tooltip: o.help }),
    parse: () => ({
      ok: false,
      fault: {
        type: 'required_input_missing',
        message: 'Required input is missing',
        details: `expected a link of type ${name}`,
      },
    }),
  }
}

/** An input that a link or a literal of any kind can fill; `names` are the ports it takes, '*' for all. */
export function anyOf<P extends PortName>(names: P | readonly P[], o?: PortOptions): Spec<PortTypes[P]>
export function anyOf<P extends PortName>(
  names: P | readonly P[],
  o: PortOptions & { readonly optional: true },
): Spec<PortTypes[P] | undefined>
export function anyOf<P extends PortName>(
  names: P | readonly P[],
  o: PortOptions & { readonly optional?: boolean } = {},
): Spec<PortTypes[P] | undefined> {
  return {
    type: [names].flat().join(','),
    required: !o.optional,
    linkOnly: false,
    hidden: false,
    options: () => (o.help === undefined ? {} : { tooltip: o.help }),
    // What a literal must be is for the node's own `validate` to say.
    parse: (value) => ({ ok: true, value: value as PortTypes[P] }),
  }
}

/** The same input, but `run` receives the link, not its value: for nodes that copy parts of the graph. */
export const rawLink = <T>(spec: Spec<T>): Spec<Link | (undefined extends T ? undefined : never)> => ({
  type: spec.type,
  required: spec.required,
  linkOnly: true,
  hidden: false,
  rawLink: true,
  options: (lists) => ({ ...spec.options(lists), rawLink: true }),
  parse: () => ({
    ok: false,
    fault: { type: 'required_input_missing', message: 'Required input is missing', details: 'expected a link' },
  }),
})

/** An input that the engine fills: the API prompt, the graph as it runs, what goes into picture metadata, or the node's id. */
export interface HiddenTypes {
  PROMPT: unknown
  DYNPROMPT: DynamicGraph
  EXTRA_PNGINFO: Readonly<Record<string, unknown>> | undefined
  UNIQUE_ID: string
  AUTH_TOKEN_COMFY_ORG: string | undefined
  API_KEY_COMFY_ORG: string | undefined
}

export function hidden<H extends keyof HiddenTypes>(name: H): Spec<HiddenTypes[H]> {
  return {
    type: name,
    required: false,
    linkOnly: true,
    hidden: true,
    options: () => ({}),
    parse: () => ({ ok: true, value: undefined as HiddenTypes[H] }),
  }
}
