/** Reads a parity case of WanTransformer3DModel. */
import { row, tensor, type Tensor } from '../../tensor.ts'
import type { Conditioning } from '../contract.ts'
import type { CaseReader } from '../parity.ts'
import { openCase } from '../shared/case.ts'
import wan from './family.ts'
import { MODS } from './graphs.ts'

/** Channels [from, to) of one video [1, C, F, H, W]. */
function channels({ data, shape }: Tensor, from: number, to: number): Tensor {
  const [, count = 0, ...cells] = shape
  const plane = data.length / count
  return tensor(data.slice(from * plane, to * plane), [1, to - from, ...cells])
}

/** The reference takes what lies beside the latent as further channels of it: mask, then picture. */
function besides(whole: Tensor, latentChannels: number): Conditioning['tensors'] {
  const count = whole.shape[1] ?? 0
  if (count === latentChannels) return {}
  const mask = count - 2 * latentChannels
  const given = channels(whole, latentChannels, latentChannels + mask)
  return {
    concat_latent_image: channels(whole, latentChannels + mask, count),
    ...(mask > 0
      ? {
          concat_mask: tensor(
            given.data.map((one) => 1 - one),
            given.shape,
          ),
        }
      : {}),
  }
}

export default {
  className: 'WanTransformer3DModel',
  async open(dir, file) {
    const { transformer, inputs, outputs, input } = await openCase(wan, dir, file)
    const whole = input('hidden_states')
    const [batch = 0, , ...cells] = whole.shape
    const latentChannels = outputs['output']?.shape[1] ?? 0
    const latents = Array.from({ length: batch }, (_, i) => channels(row(whole, i), 0, latentChannels).data)
    return {
      ...{ transformer, outputs },
      latent: tensor(Float32Array.from(latents.flatMap((one) => [...one])), [batch, latentChannels, ...cells]),
      timestep: input('timestep'),
      conditioning(index) {
        const vision = inputs['encoder_hidden_states_image']
        return {
          tokens: row(input('encoder_hidden_states'), index),
          pooled: null,
          extras: {},
          tensors: {
            ...besides(row(whole, index), latentChannels),
            ...(vision ? { clip_vision_output: row(vision, index) } : {}),
          },
        }
      },
      embedded: ({ temb, context, vision, ...rows }) => ({
        'hidden.condition_embedder.0': temb!,
        'hidden.condition_embedder.1': rows[MODS]!,
        'hidden.condition_embedder.2': context!,
        ...(vision ? { 'hidden.condition_embedder.3': vision } : {}),
      }),
      afterBlock: (index, { image }) => ({ [`hidden.blocks.${index}`]: image! }),
      output: ({ prediction }) => prediction!,
    }
  },
} satisfies CaseReader
