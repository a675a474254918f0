/** CLIPVisionEncode: what a CLIP vision model sees in pictures. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice } from '../spec.ts'

export default defineNode({
  type: 'CLIPVisionEncode',
  category: 'conditioning',
  title: 'CLIP Vision Encode',
  help: 'Turns pictures into the tokens that image-to-video models look at.',
  inputs: {
    clip_vision: port('CLIP_VISION'),
    image: port('IMAGE'),
    crop: choice(['center', 'none'], {
      default: 'center',
      help: 'center cuts the picture to a square, none squeezes it into one.',
    }),
  },
  outputs: { CLIP_VISION_OUTPUT: 'CLIP_VISION_OUTPUT' },
  run: async ({ clip_vision, image, crop }) => ({ CLIP_VISION_OUTPUT: await clip_vision.encode(image, crop) }),
})
