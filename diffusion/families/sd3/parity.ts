/** Reads a parity case of SD3Transformer2DModel. */
import { row } from '../../tensor.ts'
import type { CaseReader } from '../parity.ts'
import { openCase } from '../shared/case.ts'
import sd3 from './family.ts'

export default {
  className: 'SD3Transformer2DModel',
  async open(dir, file) {
    const { transformer, outputs, input } = await openCase(sd3, dir, file)
    return {
      ...{ transformer, outputs },
      latent: input('hidden_states'),
      timestep: input('timestep'),
      conditioning: (index) => ({
        tokens: row(input('encoder_hidden_states'), index),
        pooled: row(input('pooled_projections'), index),
        extras: {},
      }),
      embedded: ({ image, text, temb }) => ({
        'hidden.pos_embed': image!,
        'hidden.context_embedder': text!,
        'hidden.time_text_embed': temb!,
      }),
      afterBlock: (index, { image, text }) => {
        const name = `hidden.transformer_blocks.${index}`
        // The reference's last block gives no text.
        return { ...(index + 1 < transformer.facts.depth ? { [`${name}.0`]: text! } : {}), [`${name}.1`]: image! }
      },
      output: ({ prediction }) => prediction!,
    }
  },
} satisfies CaseReader
