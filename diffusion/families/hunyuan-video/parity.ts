/** Reads a parity case of HunyuanVideoTransformer3DModel. */
import { row, tensor } from '../../tensor.ts'
import type { CaseReader } from '../parity.ts'
import { openCase } from '../shared/case.ts'
import hunyuanVideo from './family.ts'

/** The class is told guidance in the units of the timestep. */
const GUIDANCE_UNIT = 1000

export default {
  className: 'HunyuanVideoTransformer3DModel',
  async open(dir, file) {
    const { transformer, inputs, outputs, input } = await openCase(hunyuanVideo, dir, file)
    const doubleBlocks = Object.keys(outputs).filter((name) => /^hidden\.transformer_blocks\.\d+\.0$/.test(name)).length
    return {
      ...{ transformer, outputs },
      latent: input('hidden_states'),
      timestep: input('timestep'),
      textTokens: (index) => row(input('encoder_attention_mask'), index).data.reduce((sum, kept) => sum + kept, 0),
      conditioning(index) {
        const guidance = inputs['guidance']?.data[index]
        const mask = row(input('encoder_attention_mask'), index)
        return {
          tokens: row(input('encoder_hidden_states'), index),
          mask: tensor(mask.data, [1, mask.data.length]),
          pooled: row(input('pooled_projections'), index),
          extras: guidance === undefined ? {} : { guidance: guidance / GUIDANCE_UNIT },
        }
      },
      embedded: ({ image, text, temb }) => ({
        'hidden.x_embedder': image!,
        'hidden.context_embedder': text!,
        'hidden.time_text_embed.0': temb!,
      }),
      afterBlock(index, { image, text }) {
        const isDouble = index < doubleBlocks
        const name = isDouble
          ? `hidden.transformer_blocks.${index}`
          : `hidden.single_transformer_blocks.${index - doubleBlocks}`
        return { [`${name}.0`]: image!, [`${name}.1`]: text! }
      },
      output: ({ prediction }) => prediction!,
    }
  },
} satisfies CaseReader
