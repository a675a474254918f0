/** SaveImage: writes pictures to the output folder, with the workflow inside. */
import { defineNode } from '../define.ts'
import { hidden, port } from '../ports.ts'
import { text } from '../spec.ts'
import { saveImages } from './encoding/save.ts'

export default defineNode({
  type: 'SaveImage',
  category: 'image',
  title: 'Save Image',
  help: 'Saves PNG files that carry their workflow: dropping one on the editor opens it.',
  inputs: {
    images: port('IMAGE'),
    filename_prefix: text({
      default: 'Heddle',
      help: 'May name subfolders; %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second% and %batch_num% are filled in.',
    }),
    prompt: hidden('PROMPT'),
    extra_pnginfo: hidden('EXTRA_PNGINFO'),
  },
  outputs: {},
  isOutput: true,
  run: async ({ images, filename_prefix, prompt, extra_pnginfo }, context) => ({
    ui: await saveImages(
      images,
      { folder: 'output', prefix: filename_prefix },
      { prompt, extra: extra_pnginfo },
      context,
    ),
  }),
})
