/** CLIPTextEncodeSDXL: a prompt for each of SDXL's two text encoders, and the sizes that the model is told of the picture. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { int, text } from '../spec.ts'
import { encodeEach } from './shared/each.ts'

/** ComfyUI's largest side. */
const LARGEST = 16384
const side = (help: string) => int({ default: 1024, min: 0, max: LARGEST, help })
const crop = (help: string) => int({ default: 0, min: 0, max: LARGEST, help })

export default defineNode({
  type: 'CLIPTextEncodeSDXL',
  category: 'conditioning',
  title: 'Text Encode SDXL',
  help: 'Encodes a prompt for SDXL, with a text of its own for each encoder and the sizes of the pictures that it was trained to tell apart.',
  inputs: {
    clip: port('CLIP', { help: 'Both text encoders of SDXL.' }),
    width: side('Width of the picture before it was scaled down, in pixels: small ones look blurred. Costs nothing.'),
    height: side('Height of the picture before it was scaled down, in pixels. Costs nothing.'),
    crop_w: crop('Pixels cut off at the left: 0 keeps things whole and centred. Costs nothing.'),
    crop_h: crop('Pixels cut off at the top. Costs nothing.'),
    target_width: side('Width of the picture that is wanted, in pixels. Costs nothing.'),
    target_height: side('Height of the picture that is wanted, in pixels. Costs nothing.'),
    text_g: text({
      multiline: true,
      dynamicPrompts: true,
      help: 'For the larger encoder (OpenCLIP bigG), which also sums the prompt up.',
    }),
    text_l: text({
      multiline: true,
      dynamicPrompts: true,
      help: 'For the smaller encoder (CLIP-L); usually the same text.',
    }),
  },
  outputs: { CONDITIONING: 'CONDITIONING' },
  async run({ clip, text_g: g, text_l: l, ...sizes }, { report }) {
    const conditioning = await encodeEach('CLIPTextEncodeSDXL', clip, { g, l }, report.warn)
    return { CONDITIONING: [{ ...conditioning, extras: { ...conditioning.extras, ...sizes } }] }
  },
})
