/** EmptyLatentImage: the blank latent that text-to-image starts from. */
import { zeros } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { int } from '../spec.ts'

/** Pixels per latent cell and channels of ComfyUI's blank latents; the sampler widens the channels to what the model has. */
const FACTOR = 8
const CHANNELS = 4

export default defineNode({
  type: 'EmptyLatentImage',
  category: 'latent',
  title: 'Empty Latent Image',
  help: 'Blank latents of a size in pixels. The sampler gives them the channel count of its model.',
  inputs: {
    width: int({ default: 128, min: 16, max: 16384, step: 16, help: 'Pixels; rounded down to a multiple of 16.' }),
    height: int({ default: 128, min: 16, max: 16384, step: 16, help: 'Pixels; rounded down to a multiple of 16.' }),
    batch_size: int({
      default: 1,
      min: 1,
      max: 4096,
      help: 'Pictures sampled together; each makes its own caching decisions.',
    }),
  },
  outputs: { LATENT: 'LATENT' },
  run({ width, height, batch_size }) {
    const cells = (pixels: number) => Math.floor(pixels / (2 * FACTOR)) * 2
    return { LATENT: { samples: zeros([batch_size, CHANNELS, cells(height), cells(width)]) } }
  },
})
