/** PreviewImage: shows pictures without keeping them. */
import { defineNode } from '../define.ts'
import { hidden, port } from '../ports.ts'
import { saveImages } from './encoding/save.ts'

const LETTERS = 'abcdefghijklmnopqrstupvxyz'

/** Five letters, so that previews of different runs do not take each other's names in browser caches. */
const suffix = (): string =>
  Array.from({ length: 5 }, () => LETTERS[Math.floor(Math.random() * LETTERS.length)]).join('')

export default defineNode({
  type: 'PreviewImage',
  category: 'image',
  title: 'Preview Image',
  help: 'Shows pictures in the node; the files are temporary.',
  inputs: { images: port('IMAGE'), prompt: hidden('PROMPT'), extra_pnginfo: hidden('EXTRA_PNGINFO') },
  outputs: {},
  isOutput: true,
  run: async ({ images, prompt, extra_pnginfo }, context) => ({
    ui: await saveImages(
      images,
      { folder: 'temp', prefix: `Heddle_temp_${suffix()}` },
      { prompt, extra: extra_pnginfo },
      context,
    ),
  }),
})
