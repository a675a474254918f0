/** EmptySD3LatentImage: the blank latent of models with 16 channels. */
import { zeros } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { int } from '../spec.ts'

const FACTOR = 8
const CHANNELS = 16

export default defineNode({
  type: 'EmptySD3LatentImage',
  category: 'latent',
  title: 'EmptySD3LatentImage',
  help: 'Blank latents for SD3, SD3.5 and FLUX. The sampler gives them the channel count of its model.',
  inputs: {
    width: int({ default: 1024, min: 16, max: 16384, step: 16, help: 'Pixels; rounded down to a multiple of 8.' }),
    height: int({ default: 1024, min: 16, max: 16384, step: 16, help: 'Pixels; rounded down to a multiple of 8.' }),
    batch_size: int({ default: 1, min: 1, max: 4096, help: 'Pictures sampled together.' }),
  },
  outputs: { LATENT: 'LATENT' },
  run: ({ width, height, batch_size }) => ({
    LATENT: {
      samples: zeros([batch_size, CHANNELS, Math.floor(height / FACTOR), Math.floor(width / FACTOR)]),
    },
  }),
})
