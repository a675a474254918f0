/** DualCLIPLoader: opens the two text encoders that FLUX, SDXL, SD3 or HunyuanVideo read prompts with. */
import { defineNode } from '../define.ts'
import { choice, file } from '../spec.ts'
import { clipTypes, firstOf } from './parts/clip-types.ts'

const types = await clipTypes(2)
const help =
  'A .safetensors file in text_encoders/ (or clip/) of models/ or --models; which comes first does not matter.'

export default defineNode({
  type: 'DualCLIPLoader',
  category: 'loading',
  title: 'DualCLIPLoader',
  help: 'Opens two text encoders for a model of the type chosen: sdxl CLIP-L and CLIP-G; sd3 CLIP-L and CLIP-G; flux CLIP-L and T5; hunyuan_video CLIP-L and LLaMA.',
  inputs: {
    clip_name1: file('text_encoders', { help }),
    clip_name2: file('text_encoders', { help }),
    type: choice(types, { default: firstOf(types, 'sdxl'), help: 'What model reads with them.' }),
    device: choice(['default', 'cpu'], {
      default: 'default',
      optional: true,
      help: 'Encoders run where the engine runs.',
    }),
  },
  outputs: { CLIP: 'CLIP' },
  run: async ({ clip_name1, clip_name2, type }, { models, report }) => ({
    CLIP: await models.textEncoders([clip_name1, clip_name2], type, report),
  }),
})
