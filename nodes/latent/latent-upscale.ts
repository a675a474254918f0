/** LatentUpscale: latents of a size in pixels. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice, int } from '../spec.ts'
import { upscaled, upscaleMethod } from './shared/upscale.ts'

/** Pixels per cell of ComfyUI's latents. */
const FACTOR = 8
/** Pixels below which a side is not made. */
const LEAST = 64

export default defineNode({
  type: 'LatentUpscale',
  category: 'latent',
  title: 'Upscale Latent',
  help: 'Latents resized; sampled again with a denoise of about 0.5 they become a larger picture.',
  inputs: {
    samples: port('LATENT'),
    upscale_method: upscaleMethod,
    width: int({ default: 512, min: 0, max: 16384, step: 8, help: 'Pixels; 0 keeps the shape.' }),
    height: int({ default: 512, min: 0, max: 16384, step: 8, help: 'Pixels; 0 keeps the shape.' }),
    crop: choice(['disabled', 'center'], {
      default: 'disabled',
      help: 'Center cuts to the new shape instead of stretching.',
    }),
  },
  outputs: { LATENT: 'LATENT' },
  run({ samples: latent, upscale_method, width, height, crop }) {
    if (width === 0 && height === 0) return { LATENT: latent }
    const [h = 1, w = 1] = latent.samples.shape.slice(-2)
    const pixels =
      width === 0
        ? [Math.max(LEAST, Math.round((w * height) / h)), Math.max(LEAST, height)]
        : height === 0
          ? [Math.max(LEAST, width), Math.max(LEAST, Math.round((h * width) / w))]
          : [Math.max(LEAST, width), Math.max(LEAST, height)]
    const [columns, rows] = pixels.map((side) => Math.floor(side / FACTOR)) as [number, number]
    return { LATENT: { ...latent, samples: upscaled(latent.samples, rows, columns, upscale_method, crop) } }
  },
})
