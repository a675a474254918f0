/** WanImageToVideo: the blank latent of a video that begins with given frames, and prompts that know of them. */
import type { Autoencoder, Conditioning } from '../../diffusion/families/contract.ts'
import { fill } from '../../diffusion/resize.ts'
import { tensor, zeros, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { int } from '../spec.ts'

/** What stands for frames that are to be made: grey. */
const UNKNOWN = 0.5

/** The first of `pictures` at this size, and grey up to `length` frames. */
function paddedFrames(pictures: Tensor, length: number, height: number, width: number): Tensor {
  const [count = 0, h = 0, w = 0, channels = 0] = pictures.shape
  const given = Math.min(count, length)
  const used = tensor(pictures.data.subarray(0, given * h * w * channels), [given, h, w, channels])
  const scaled = fill(used, height, width, { kernel: 'bilinear', antialias: false })
  const out = new Float32Array(length * height * width * 3).fill(UNKNOWN)
  out.set(scaled.data)
  return tensor(out, [length, height, width, 3])
}

/** [1, 1, F, h, w]: 0 where latent frames are given, 1 where they are to be made. */
function maskAfter(given: number, [, , frames = 0, height = 0, width = 0]: readonly number[]): Tensor {
  const mask = zeros([1, 1, frames, height, width])
  mask.data.fill(1, given * height * width)
  return mask
}

interface Wanted {
  readonly vae: Autoencoder
  readonly width: number
  readonly height: number
  readonly length: number
}

/** What the transformer gets beside the latent, by ComfyUI's names. */
async function besideLatent(pictures: Tensor, { vae, width, height, length }: Wanted): Promise<Record<string, Tensor>> {
  const { temporalFactor } = vae
  if (temporalFactor === undefined)
    throw new Error("vae: expected WAN's video autoencoder, received one of single pictures")
  const encoded = await vae.encode(paddedFrames(pictures, length, height, width))
  const given = Math.floor((Math.min(pictures.shape[0] ?? 0, length) - 1) / temporalFactor) + 1
  return { concat_latent_image: encoded, concat_mask: maskAfter(given, encoded.shape) }
}

export default defineNode({
  type: 'WanImageToVideo',
  category: 'video',
  title: 'WAN Image To Video',
  help: 'Prepares image-to-video: a blank latent, and both prompts with the first frames and what CLIP vision sees in them.',
  inputs: {
    positive: port('CONDITIONING'),
    negative: port('CONDITIONING'),
    vae: port('VAE', { help: "WAN's video autoencoder." }),
    width: int({ default: 832, min: 16, max: 16384, step: 16, help: 'Pixels; a multiple of 16.' }),
    height: int({ default: 480, min: 16, max: 16384, step: 16, help: 'Pixels; a multiple of 16.' }),
    length: int({
      default: 81,
      min: 1,
      max: 16384,
      step: 4,
      help: 'Frames: 1, 5, 9, ...; others are rounded down to those.',
    }),
    batch_size: int({ default: 1, min: 1, max: 4096, help: 'Videos sampled together.' }),
    clip_vision_output: port('CLIP_VISION_OUTPUT', {
      optional: true,
      help: 'What CLIP vision sees in the first frame.',
    }),
    start_image: port('IMAGE', { optional: true, help: 'The first frame, or several; cut to shape and scaled.' }),
  },
  outputs: { positive: 'CONDITIONING', negative: 'CONDITIONING', latent: 'LATENT' },
  async run({ positive, negative, vae, width, height, length, batch_size, clip_vision_output, start_image }) {
    const [temporal, unit] = [vae.temporalFactor ?? 1, vae.factor]
    const frames = Math.floor((length - 1) / temporal) + 1
    const [rows, columns] = [Math.floor(height / unit), Math.floor(width / unit)]
    const size = { vae, height: rows * unit, width: columns * unit, length: 1 + (frames - 1) * temporal }
    const tensors = {
      ...(start_image ? await besideLatent(start_image, size) : {}),
      ...(clip_vision_output ? { clip_vision_output: clip_vision_output.penultimate } : {}),
    }
    const told = (prompts: readonly Conditioning[]): readonly Conditioning[] =>
      prompts.map((one) => ({ ...one, tensors: { ...one.tensors, ...tensors } }))
    return {
      positive: told(positive),
      negative: told(negative),
      latent: { samples: zeros([batch_size, vae.channels, frames, rows, columns]) },
    }
  },
})
