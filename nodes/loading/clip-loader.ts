/** CLIPLoader: opens the one text encoder that a model reads prompts with. */
import { defineNode } from '../define.ts'
import { choice, file } from '../spec.ts'
import { clipTypes, firstOf } from './parts/clip-types.ts'

const types = await clipTypes(1)

export default defineNode({
  type: 'CLIPLoader',
  category: 'loading',
  title: 'Load CLIP',
  help: 'Opens one text encoder for a model of the type chosen. Its tokenizer lies inside the file, beside it, or in tokenizers/.',
  inputs: {
    clip_name: file('text_encoders', {
      help: 'A .safetensors file in text_encoders/ (or clip/) of models/ or --models.',
    }),
    type: choice(types, { default: firstOf(types, 'stable_diffusion'), help: 'What model reads with it.' }),
    device: choice(['default', 'cpu'], {
      default: 'default',
      optional: true,
      help: 'Encoders run where the engine runs.',
    }),
  },
  outputs: { CLIP: 'CLIP' },
  run: async ({ clip_name, type }, { models, report }) => ({
    CLIP: await models.textEncoders([clip_name], type, report),
  }),
})
