/** ImageStitch: puts two pictures side by side. */
import sharp from 'sharp'
import { tensor, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice, int, toggle } from '../spec.ts'
import { toBytes } from './encoding/png.ts'

/** Resizes every picture of [B, H, W, 3]. */
async function resize(image: Tensor, height: number, width: number): Promise<Tensor> {
  const batch = image.shape[0] ?? 0
  if (image.shape[1] === height && image.shape[2] === width) return image
  const out = new Float32Array(batch * height * width * 3)
  for (let b = 0; b < batch; b++) {
    const source = toBytes(image, b)
    const bytes = await sharp(source.rgb, { raw: { width: source.width, height: source.height, channels: 3 } })
      .resize(width, height, { fit: 'fill', kernel: 'lanczos3' })
      .raw()
      .toBuffer()
    out.set(
      Float32Array.from(bytes, (byte) => byte / 255),
      b * height * width * 3,
    )
  }
  return tensor(out, [batch, height, width, 3])
}

/** A canvas [B, H, W, 3] of one grey level. */
function canvas(batch: number, height: number, width: number, level: number): Tensor {
  return tensor(new Float32Array(batch * height * width * 3).fill(level), [batch, height, width, 3])
}

/** Copies `source` into `target` at a place; a shorter batch repeats its last picture. Writes to `target`. */
function paste(target: Tensor, source: Tensor, top: number, left: number): void {
  const [batch = 0, , width = 0] = target.shape
  const [pictures = 0, rows = 0, columns = 0] = source.shape
  const height = target.shape[1] ?? 0
  for (let b = 0; b < batch; b++)
    for (let y = 0; y < rows; y++) {
      const from = (Math.min(b, pictures - 1) * rows + y) * columns * 3
      target.data.set(source.data.subarray(from, from + columns * 3), ((b * height + top + y) * width + left) * 3)
    }
}

const LEVELS = { white: 1, black: 0, grey: 0.5 } as const

export default defineNode({
  type: 'ImageStitch',
  category: 'image',
  title: 'Image Stitch',
  help: 'Puts a second picture beside the first.',
  inputs: {
    image1: port('IMAGE'),
    direction: choice(['right', 'down', 'left', 'up'], { default: 'right', help: 'Where the second picture goes.' }),
    match_image_size: toggle({
      default: true,
      help: 'Scales the second picture to the height (or width) of the first.',
    }),
    spacing_width: int({ default: 0, min: 0, max: 1024, step: 2, help: 'Pixels between them.' }),
    spacing_color: choice(['white', 'black', 'grey'], { default: 'white' }),
    image2: port('IMAGE', { optional: true }),
  },
  outputs: { IMAGE: 'IMAGE' },
  async run({ image1, image2, direction, match_image_size, spacing_width, spacing_color }) {
    if (!image2) return { IMAGE: image1 }
    const [, h1 = 0, w1 = 0] = image1.shape
    const [, h2 = 0, w2 = 0] = image2.shape
    const beside = direction === 'right' || direction === 'left'
    const size = beside ? [h1, Math.round((w2 * h1) / h2)] : [Math.round((h2 * w1) / w2), w1]
    const second = match_image_size ? await resize(image2, size[0]!, size[1]!) : image2
    const [first, last] = direction === 'right' || direction === 'down' ? [image1, second] : [second, image1]
    const [, fh = 0, fw = 0] = first.shape
    const [, lh = 0, lw = 0] = last.shape
    const batch = Math.max(image1.shape[0] ?? 0, second.shape[0] ?? 0)
    const height = beside ? Math.max(fh, lh) : fh + spacing_width + lh
    const width = beside ? fw + spacing_width + lw : Math.max(fw, lw)
    const IMAGE = canvas(batch, height, width, LEVELS[spacing_color])
    paste(IMAGE, first, 0, 0)
    paste(IMAGE, last, beside ? 0 : fh + spacing_width, beside ? fw + spacing_width : 0)
    return { IMAGE }
  },
})
