/** CLIPVisionLoader: opens a CLIP vision model, which image-to-video models look at their first frame through. */
import { defineNode } from '../define.ts'
import { file } from '../spec.ts'

export default defineNode({
  type: 'CLIPVisionLoader',
  category: 'loading',
  title: 'Load CLIP Vision',
  help: "Opens a CLIP vision model in transformers' key names, such as clip_vision_h.safetensors for WAN 2.1.",
  inputs: {
    clip_name: file('clip_vision', { help: 'A .safetensors file in clip_vision/ of models/ or --models.' }),
  },
  outputs: { CLIP_VISION: 'CLIP_VISION' },
  run: async ({ clip_name }, { models, report }) => ({ CLIP_VISION: await models.visionEncoder(clip_name, report) }),
})
