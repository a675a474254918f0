/** LoadImage: a picture of the input folder, with its transparency as a mask. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import sharp from 'sharp'
import { tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { file } from '../spec.ts'

/** 64 megapixels: beyond it a picture is refused before it is decoded. */
const MAX_PIXELS = 64_000_000

/** RGBA bytes to IMAGE [1, H, W, 3] and MASK [1, H, W] (1 where transparent, as ComfyUI has it). */
function split(rgba: Uint8Array, width: number, height: number) {
  const pixels = new Float32Array(width * height * 3)
  const mask = new Float32Array(width * height)
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels[3 * i + c] = rgba[4 * i + c]! / 255
    mask[i] = 1 - rgba[4 * i + 3]! / 255
  }
  return { IMAGE: tensor(pixels, [1, height, width, 3]), MASK: tensor(mask, [1, height, width]) }
}

export default defineNode({
  type: 'LoadImage',
  category: 'image',
  title: 'Load Image',
  help: 'Opens a picture of the input folder; the button uploads one.',
  inputs: {
    image: file('input', { upload: true, help: 'PNG, JPEG, WebP, GIF, AVIF or TIFF, at most 64 megapixels.' }),
  },
  outputs: { IMAGE: 'IMAGE', MASK: 'MASK' },
  async fingerprint({ image }, files) {
    if (image === undefined) return NaN
    return createHash('sha256')
      .update(await readFile(await files.resolve('input', image)))
      .digest('hex')
  },
  async run({ image }, { files }) {
    const path = await files.resolve('input', image)
    try {
      const decoded = sharp(path, { limitInputPixels: MAX_PIXELS, failOn: 'error' })
        .rotate()
        .toColourspace('srgb')
        .ensureAlpha()
      const { data, info } = await decoded.raw().toBuffer({ resolveWithObject: true })
      return split(data, info.width, info.height)
    } catch (error) {
      throw new Error(
        `LoadImage: '${image}' cannot be read as a picture: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      )
    }
  },
})
