/** Reads a parity case of Flux2Transformer2DModel, which takes and gives tokens; its single blocks join text and image. */
import { row, scale, tensor, type Tensor } from '../../tensor.ts'
import type { CaseReader } from '../parity.ts'
import { openCase } from '../shared/case.ts'
import { toLatents, toTokens } from '../shared/packing.ts'
import flux2 from './family.ts'

/** [B, L, W] and [B, T, W] -> [B, L + T, W]. */
function joinTokens(text: Tensor, image: Tensor): Tensor {
  const [batch = 0, length = 0, width = 0] = text.shape
  const rows = Array.from({ length: batch }, (_, i) => [...row(text, i).data, ...row(image, i).data])
  return tensor(Float32Array.from(rows.flat()), [batch, length + (image.shape[1] ?? 0), width])
}

export default {
  className: 'Flux2Transformer2DModel',
  async open(dir, file) {
    const { transformer, inputs, outputs, input } = await openCase(flux2, dir, file)
    const ids = input('img_ids').data
    const [h, w] = [1, 2].map((axis) => 1 + Math.max(...ids.filter((_, i) => i % 4 === axis))) as [number, number]
    const tokens = input('hidden_states')
    const doubleBlocks = Object.keys(outputs).filter((name) => /^hidden\.transformer_blocks\.\d+\.0$/.test(name)).length
    return {
      ...{ transformer, outputs },
      latent: toLatents(tokens, [tokens.shape[2] ?? 0, h, w], 1),
      timestep: scale(input('timestep'), 1000),
      levels: { sigma: input('timestep') },
      conditioning(index) {
        const guidance = inputs['guidance']?.data[index]
        return {
          tokens: row(input('encoder_hidden_states'), index),
          pooled: null,
          extras: guidance === undefined ? {} : { guidance },
        }
      },
      embedded: () => ({}),
      afterBlock(index, { image, text }): Readonly<Record<string, Tensor>> {
        if (index >= doubleBlocks)
          return { [`hidden.single_transformer_blocks.${index - doubleBlocks}`]: joinTokens(text!, image!) }
        const name = `hidden.transformer_blocks.${index}`
        return { [`${name}.0`]: text!, [`${name}.1`]: image! }
      },
      output: ({ prediction }) => toTokens(prediction!, 1),
    }
  },
} satisfies CaseReader
