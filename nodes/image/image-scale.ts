/** ImageScale: pictures of a size. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice, int } from '../spec.ts'
import { scaled, scaleMethod } from './shared/scale.ts'

export default defineNode({
  type: 'ImageScale',
  category: 'image',
  title: 'Upscale Image',
  help: 'Pictures resized to a width and a height.',
  inputs: {
    image: port('IMAGE'),
    upscale_method: scaleMethod,
    width: int({ default: 512, min: 0, max: 16384, help: 'Pixels; 0 keeps the shape.' }),
    height: int({ default: 512, min: 0, max: 16384, help: 'Pixels; 0 keeps the shape.' }),
    crop: choice(['disabled', 'center'], {
      default: 'disabled',
      help: 'Center cuts to the new shape instead of stretching.',
    }),
  },
  outputs: { IMAGE: 'IMAGE' },
  run({ image, upscale_method, width, height, crop }) {
    if (width === 0 && height === 0) return { IMAGE: image }
    const [, h = 1, w = 1] = image.shape
    const columns = width === 0 ? Math.max(1, Math.round((w * height) / h)) : width
    const rows = height === 0 ? Math.max(1, Math.round((h * width) / w)) : height
    return { IMAGE: scaled(image, rows, columns, upscale_method, crop) }
  },
})
