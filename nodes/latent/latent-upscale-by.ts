/** LatentUpscaleBy: latents larger by a factor. */
import { roundHalfEven } from '../../diffusion/schedules/shared/rounding.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float } from '../spec.ts'
import { upscaled, upscaleMethod } from './shared/upscale.ts'

export default defineNode({
  type: 'LatentUpscaleBy',
  category: 'latent',
  title: 'Upscale Latent By',
  help: 'Latents resized by a factor.',
  inputs: {
    samples: port('LATENT'),
    upscale_method: upscaleMethod,
    scale_by: float({ default: 1.5, min: 0.01, max: 8, step: 0.01, help: 'Of both sides.' }),
  },
  outputs: { LATENT: 'LATENT' },
  run({ samples: latent, upscale_method, scale_by }) {
    const [rows, columns] = latent.samples.shape
      .slice(-2)
      .map((cells) => Math.max(1, roundHalfEven(cells * scale_by))) as [number, number]
    return { LATENT: { ...latent, samples: upscaled(latent.samples, rows, columns, upscale_method, 'disabled') } }
  },
})
