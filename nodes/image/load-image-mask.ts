/** LoadImageMask: one channel of a picture of the input folder as a mask. */
import { tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, file } from '../spec.ts'
import { pictureFingerprint, readPicture } from './shared/picture.ts'

const CHANNELS = { alpha: 3, red: 0, green: 1, blue: 2 } as const

export default defineNode({
  type: 'LoadImageMask',
  category: 'image',
  title: 'Load Image (as Mask)',
  help: 'A mask from a picture: its transparency, or how bright one colour is.',
  inputs: {
    image: file('input', { upload: true, help: 'A picture of the input folder.' }),
    channel: choice(['alpha', 'red', 'green', 'blue'], {
      default: 'alpha',
      help: 'Alpha gives 1 where the picture is transparent, a colour 1 where it is brightest.',
    }),
  },
  outputs: { MASK: 'MASK' },
  fingerprint: ({ image }, files) => pictureFingerprint(image, files),
  async run({ image, channel }, { files }) {
    const { rgba, width, height } = await readPicture('LoadImageMask', image, files)
    const level = (i: number): number => rgba[4 * i + CHANNELS[channel]]! / 255
    const mask = Float32Array.from({ length: width * height }, (_, i) =>
      channel === 'alpha' ? 1 - level(i) : level(i),
    )
    return { MASK: tensor(mask, [1, height, width]) }
  },
})
