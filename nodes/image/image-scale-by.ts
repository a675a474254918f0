/** ImageScaleBy: pictures larger by a factor. */
import { roundHalfEven } from '../../diffusion/schedules/shared/rounding.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float } from '../spec.ts'
import { scaled, scaleMethod } from './shared/scale.ts'

export default defineNode({
  type: 'ImageScaleBy',
  category: 'image',
  title: 'Upscale Image By',
  help: 'Pictures resized by a factor.',
  inputs: {
    image: port('IMAGE'),
    upscale_method: scaleMethod,
    scale_by: float({ default: 1, min: 0.01, max: 8, step: 0.01, help: 'Of both sides.' }),
  },
  outputs: { IMAGE: 'IMAGE' },
  run({ image, upscale_method, scale_by }) {
    const side = (pixels = 1): number => Math.max(1, roundHalfEven(pixels * scale_by))
    return { IMAGE: scaled(image, side(image.shape[1]), side(image.shape[2]), upscale_method, 'disabled') }
  },
})
