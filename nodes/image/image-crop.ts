/** ImageCrop: a part of pictures. */
import { tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { int } from '../spec.ts'

const LARGEST = 16384
const side = int({ default: 512, min: 1, max: LARGEST, help: 'Pixels; less where the picture ends before.' })
const place = int({ default: 0, min: 0, max: LARGEST, help: 'Pixels from the edge; at most the last pixel.' })

export default defineNode({
  type: 'ImageCrop',
  category: 'image',
  title: 'Image Crop',
  help: 'Cuts a rectangle out of pictures.',
  inputs: { image: port('IMAGE'), width: side, height: side, x: place, y: place },
  outputs: { IMAGE: 'IMAGE' },
  run({ image, width, height, x, y }) {
    const [batch = 0, h = 0, w = 0, channels = 0] = image.shape
    const [left, top] = [Math.min(x, w - 1), Math.min(y, h - 1)]
    const [columns, rows] = [Math.min(width, w - left), Math.min(height, h - top)]
    const out = new Float32Array(batch * rows * columns * channels)
    for (let b = 0; b < batch; b++)
      for (let line = 0; line < rows; line++) {
        const from = ((b * h + top + line) * w + left) * channels
        out.set(image.data.subarray(from, from + columns * channels), (b * rows + line) * columns * channels)
      }
    return { IMAGE: tensor(out, [batch, rows, columns, channels]) }
  },
})
