/** EmptyHunyuanLatentVideo: the blank latent that text-to-video starts from, for HunyuanVideo and WAN alike. */
import { zeros } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { int } from '../spec.ts'

/** Of ComfyUI's blank video latents; the sampler gives them the channels that the model has. */
const [CHANNELS, FACTOR, TEMPORAL_FACTOR] = [16, 8, 4]

export default defineNode({
  type: 'EmptyHunyuanLatentVideo',
  category: 'latent',
  title: 'Empty HunyuanVideo Latent',
  help: 'Blank latents of a video, of a size in pixels and a length in frames.',
  inputs: {
    width: int({ default: 848, min: 16, max: 16384, step: 16, help: 'Pixels; rounded down to a multiple of 8.' }),
    height: int({ default: 480, min: 16, max: 16384, step: 16, help: 'Pixels; rounded down to a multiple of 8.' }),
    length: int({
      default: 25,
      min: 1,
      max: 16384,
      step: 4,
      help: 'Frames: 1, 5, 9, ...; others are rounded down to those.',
    }),
    batch_size: int({
      default: 1,
      min: 1,
      max: 4096,
      help: 'Videos sampled together; each makes its own caching decisions.',
    }),
  },
  outputs: { LATENT: 'LATENT' },
  run({ width, height, length, batch_size }) {
    const frames = Math.floor((length - 1) / TEMPORAL_FACTOR) + 1
    const cells = [height, width].map((pixels) => Math.floor(pixels / FACTOR))
    return { LATENT: { samples: zeros([batch_size, CHANNELS, frames, ...cells]) } }
  },
})
