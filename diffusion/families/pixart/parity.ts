/** Reads a parity case of PixArtTransformer2DModel. */
import { row } from '../../tensor.ts'
import type { CaseReader } from '../parity.ts'
import { openCase, withVariance } from '../shared/case.ts'
import pixart from './family.ts'

export default {
  className: 'PixArtTransformer2DModel',
  async open(dir, file) {
    const { transformer, inputs, outputs, input } = await openCase(pixart, dir, file)
    /** What the reference was told of the picture's size. */
    const sizes = (index: number): Record<string, number> => {
      const [height, width] = inputs['resolution']?.data.subarray(2 * index) ?? []
      const ratio = inputs['aspect_ratio']?.data[index]
      return height === undefined || width === undefined || ratio === undefined
        ? {}
        : { height, width, aspect_ratio: ratio }
    }
    return {
      ...{ transformer, outputs },
      latent: input('hidden_states'),
      timestep: input('timestep'),
      conditioning: (index) => ({
        tokens: row(input('encoder_hidden_states'), index),
        pooled: null,
        ...(inputs['encoder_attention_mask'] ? { mask: row(inputs['encoder_attention_mask'], index) } : {}),
        extras: sizes(index),
      }),
      embedded: ({ image, context, mods, temb }) => ({
        'hidden.pos_embed': image!,
        'hidden.caption_projection': context!,
        'hidden.adaln_single.0': mods!,
        'hidden.adaln_single.1': temb!,
      }),
      afterBlock: (index, { image }) => ({ [`hidden.transformer_blocks.${index}`]: image! }),
      output: withVariance,
    }
  },
} satisfies CaseReader
