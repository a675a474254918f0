/** Reads a parity case of QwenImageTransformer2DModel, which takes and gives packed tokens. */
import { join } from 'node:path'
import { row, scale } from '../../tensor.ts'
import { readJson } from '../json.ts'
import type { CaseReader } from '../parity.ts'
import { openCase } from '../shared/case.ts'
import { toLatents, toTokens } from '../shared/packing.ts'
import qwenImage from './family.ts'
import { parseQwenConfig } from './config.ts'

/** Rows and columns of patches: `img_shapes` holds [frames, rows, columns] for each picture, all alike. */
async function gridOf(dir: string): Promise<readonly [number, number]> {
  const about = (await readJson(join(dir, 'case.json')))['non_tensor_inputs'] as { img_shapes?: unknown[] } | undefined
  const [, h, w] = (about?.img_shapes ?? []).flat(2).map(Number)
  if (!h || !w) throw new Error(`${dir}: case.json without img_shapes [[frames, rows, columns]]`)
  return [h, w]
}

export default {
  className: 'QwenImageTransformer2DModel',
  async open(dir, file) {
    const { transformer, inputs, outputs, input } = await openCase(qwenImage, dir, file)
    const { channels, patch } = parseQwenConfig(await readJson(join(dir, 'config.json')), dir)
    const [h, w] = await gridOf(dir)
    const masks = inputs['encoder_hidden_states_mask']
    return {
      ...{ transformer, outputs },
      latent: toLatents(input('hidden_states'), [channels, h * patch, w * patch], patch),
      timestep: scale(input('timestep'), 1000),
      levels: { sigma: input('timestep') },
      ...(masks ? { textTokens: (index) => row(masks, index).data.reduce((sum, kept) => sum + kept, 0) } : {}),
      conditioning: (index) => ({
        tokens: row(input('encoder_hidden_states'), index),
        ...(masks ? { mask: row(masks, index) } : {}),
        pooled: null,
        extras: {},
      }),
      embedded: ({ image, text, temb }) => ({
        'hidden.img_in': image!,
        'hidden.txt_in': text!,
        'hidden.time_text_embed': temb!,
      }),
      afterBlock: (index, { image, text }) => ({
        [`hidden.transformer_blocks.${index}.0`]: text!,
        [`hidden.transformer_blocks.${index}.1`]: image!,
      }),
      output: ({ prediction }) => toTokens(prediction!, patch),
    }
  },
} satisfies CaseReader
