/** SetLatentNoiseMask: which part of a latent is sampled anew. */
import { tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'SetLatentNoiseMask',
  category: 'latent',
  title: 'Set Latent Noise Mask',
  help: 'Samplers make anew what the mask covers and keep the rest: inpainting with any model.',
  inputs: { samples: port('LATENT'), mask: port('MASK', { help: '1 where the latent is to be sampled anew.' }) },
  outputs: { LATENT: 'LATENT' },
  run({ samples, mask }) {
    const [h = 0, w = 0] = mask.shape.slice(-2)
    return { LATENT: { ...samples, noise_mask: tensor(mask.data, [mask.data.length / (h * w), h, w]) } }
  },
})
