/** Reads a parity case of LTXVideoTransformer3DModel, which takes and gives tokens. */
import { join } from 'node:path'
import { row, tensor, type Tensor } from '../../tensor.ts'
import { readJson } from '../json.ts'
import type { CaseReader } from '../parity.ts'
import { openCase } from '../shared/case.ts'
import ltxVideo from './family.ts'

/** Frames of a latent frame, as the scale of the reference's places has it. */
const FRAMES = 8

interface Sides {
  readonly num_frames: number
  readonly height: number
  readonly width: number
  readonly rope_interpolation_scale?: readonly number[]
}

/** The same values with the last two axes exchanged. */
function exchanged({ data, shape }: Tensor): Tensor {
  const [batch = 0, rows = 0, columns = 0] = shape
  const out = new Float32Array(data.length)
  for (let b = 0, at = 0; b < batch; b++)
    for (let column = 0; column < columns; column++)
      for (let i = 0; i < rows; i++) out[at++] = data[(b * rows + i) * columns + column]!
  return tensor(out, [batch, columns, rows])
}

/** Tables [T, pairs] as the reference has them: [B, T, 2 pairs], each value twice. */
function doubled({ data, shape }: Tensor, batch: number): Tensor {
  const twice = Float32Array.from({ length: 2 * data.length * batch }, (_, i) => data[(i >> 1) % data.length]!)
  return tensor(twice, [batch, shape[0] ?? 0, 2 * (shape[1] ?? 0)])
}

export default {
  className: 'LTXVideoTransformer3DModel',
  async open(dir, file) {
    const { transformer, inputs, outputs, input } = await openCase(ltxVideo, dir, file)
    const sides = (await readJson(join(dir, 'case.json')))['non_tensor_inputs'] as Sides
    const [time = FRAMES / 25, high = 32, wide = 32] = sides.rope_interpolation_scale ?? []
    const tokens = input('hidden_states')
    const [batch = 0, , channels = 0] = tokens.shape
    const masks = inputs['encoder_attention_mask']
    return {
      ...{ transformer, outputs },
      latent: tensor(exchanged(tokens).data, [batch, channels, sides.num_frames, sides.height, sides.width]),
      timestep: input('timestep'),
      conditioning: (index) => ({
        tokens: row(input('encoder_hidden_states'), index),
        ...(masks ? { mask: row(masks, index) } : {}),
        pooled: null,
        extras: { frame_rate: FRAMES / time, cell_height: high, cell_width: wide },
      }),
      embedded: ({ image }, { cos, sin }) => ({
        'hidden.rope.0': doubled(cos!, image!.shape[0] ?? 0),
        'hidden.rope.1': doubled(sin!, image!.shape[0] ?? 0),
      }),
      afterBlock: (index, { image }) => ({ [`hidden.transformer_blocks.${index}`]: image! }),
      output: ({ prediction }) => exchanged({ data: prediction!.data, shape: [batch, channels, tokens.shape[1] ?? 0] }),
    }
  },
} satisfies CaseReader
