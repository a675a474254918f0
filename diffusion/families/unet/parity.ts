/** Reads a parity case of UNet2DConditionModel. */
import { join } from 'node:path'
import { row, sizeOf, tensor, type Tensor } from '../../tensor.ts'
import { readJson } from '../json.ts'
import type { CaseReader } from '../parity.ts'
import { openCase } from '../shared/case.ts'
import { parseUnetConfig } from './config.ts'
import unet from './family.ts'
import { SIZES } from './sizes.ts'
import { chainOf, skipName, type Unit } from './units.ts'

/** Tokens [B, cells, width] as the reference's [B, width, cells]; height and width of the cells do not matter to a comparison. */
function planes({ data, shape }: Tensor): Tensor {
  const [batch = 0, cells = 0, width = 0] = shape
  const out = new Float32Array(data.length)
  for (let b = 0; b < batch; b++)
    for (let cell = 0; cell < cells; cell++)
      for (let c = 0; c < width; c++) out[(b * width + c) * cells + cell] = data[(b * cells + cell) * width + c]!
  return tensor(out, [batch, width, cells])
}

const blockOf = (unit: Unit | undefined): string | null => {
  if (!unit) return null
  if (unit.kind === 'middle') return 'mid_block'
  return `${unit.kind === 'up' ? 'up' : 'down'}_blocks.${unit.block}`
}

/** A value for each row of the batch, where one stands for all. */
const forAll = (one: Tensor, batch: number): Tensor =>
  sizeOf(one.shape) === batch ? one : tensor(new Float32Array(batch).fill(one.data[0] ?? NaN), [batch])

export default {
  className: 'UNet2DConditionModel',
  async open(dir, file) {
    const { transformer, inputs, outputs, input } = await openCase(unet, dir, file)
    const config = join(dir, 'config.json')
    const { units } = chainOf(parseUnetConfig(await readJson(config), config))
    const { time_ids: ids, text_embeds: pooled, timestep_cond: guidance } = inputs
    const sample = input('sample')
    const sizes = (index: number): Record<string, number> => {
      const values = ids ? [...row(ids, index).data] : []
      return Object.fromEntries(values.map((value, i) => [SIZES[values.length]?.[i] ?? `size ${i}`, value]))
    }
    return {
      ...{ transformer, outputs, latent: sample },
      timestep: forAll(input('timestep'), sample.shape[0] ?? 0),
      conditioning: (index) => ({
        tokens: row(input('encoder_hidden_states'), index),
        pooled: pooled ? row(pooled, index) : null,
        extras: sizes(index),
        ...(guidance ? { tensors: { guidance: row(guidance, index) } } : {}),
      }),
      embedded: ({ image, time, temb }) => ({
        'hidden.conv_in': planes(image!),
        'hidden.time_embedding': time ?? temb!,
      }),
      afterBlock(index, state) {
        const block = blockOf(units[index])
        const ends = blockOf(units[index + 1]) !== block
        const name = `hidden.${block}`
        if (!block?.startsWith('down')) return ends ? { [name]: planes(state['image']!) } : {}
        const before = units.slice(0, index + 1).filter((unit) => blockOf(unit) === block).length - 1
        const skip = { [`${name}.1.${before}`]: state[skipName(index + 1)]! }
        return ends ? { ...skip, [`${name}.0`]: planes(state['image']!) } : skip
      },
      output: ({ prediction }) => prediction!,
    }
  },
} satisfies CaseReader
