/** LoadImage: a picture of the input folder, with its transparency as a mask. */
import { tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { file } from '../spec.ts'
import { pictureFingerprint, readPicture, type Picture } from './shared/picture.ts'

/** RGBA bytes to IMAGE [1, H, W, 3] and MASK [1, H, W] (1 where transparent, as ComfyUI has it). */
function split({ rgba, width, height }: Picture) {
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
  fingerprint: ({ image }, files) => pictureFingerprint(image, files),
  run: async ({ image }, { files }) => split(await readPicture('LoadImage', image, files)),
})
