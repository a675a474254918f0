/** Reads a parity case of DiTTransformer2DModel. */
import { tensor } from '../../tensor.ts'
import type { CaseReader } from '../parity.ts'
import { openCase, withVariance } from '../shared/case.ts'
import dit from './family.ts'

export default {
  className: 'DiTTransformer2DModel',
  async open(dir, file) {
    const { transformer, outputs, input } = await openCase(dit, dir, file)
    return {
      ...{ transformer, outputs },
      latent: input('hidden_states'),
      timestep: input('timestep'),
      conditioning: (index) => ({
        tokens: tensor(input('class_labels').data.slice(index, index + 1), [1, 1, 1]),
        pooled: null,
        extras: {},
      }),
      embedded: ({ image }) => ({ 'hidden.pos_embed': image! }),
      afterBlock: (index, { image }) => ({ [`hidden.transformer_blocks.${index}`]: image! }),
      output: withVariance,
    }
  },
} satisfies CaseReader
