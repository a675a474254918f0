/** TripleCLIPLoader: opens the three text encoders that SD3 reads prompts with. */
import { defineNode } from '../define.ts'
import { file } from '../spec.ts'

const help = 'CLIP-L, CLIP-G or T5 from text_encoders/ (or clip/) of models/ or --models; the order does not matter.'

export default defineNode({
  type: 'TripleCLIPLoader',
  category: 'loading',
  title: 'TripleCLIPLoader',
  help: "Opens SD3's three text encoders: CLIP-L, CLIP-G and T5.",
  inputs: {
    clip_name1: file('text_encoders', { help }),
    clip_name2: file('text_encoders', { help }),
    clip_name3: file('text_encoders', { help }),
  },
  outputs: { CLIP: 'CLIP' },
  run: async ({ clip_name1, clip_name2, clip_name3 }, { models, report }) => ({
    CLIP: await models.textEncoders([clip_name1, clip_name2, clip_name3], 'sd3', report),
  }),
})
