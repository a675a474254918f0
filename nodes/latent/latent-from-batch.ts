/** LatentFromBatch: some latents of a batch, with the noise that they had in it. */
import { concatRows, row, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { int } from '../spec.ts'

const rows = (all: Tensor, from: number, count: number): Tensor =>
  concatRows(Array.from({ length: count }, (_, i) => row(all, from + i)))

export default defineNode({
  type: 'LatentFromBatch',
  category: 'latent',
  title: 'Latent From Batch',
  help: 'Takes latents out of a batch; sampled anew they start from the same noise as in the batch.',
  inputs: {
    samples: port('LATENT'),
    batch_index: int({ default: 0, min: 0, max: 63, help: 'The first one taken, counted from 0.' }),
    length: int({ default: 1, min: 1, max: 64, help: 'How many are taken.' }),
  },
  outputs: { LATENT: 'LATENT' },
  run({ samples: latent, batch_index, length }) {
    const { samples, noise_mask } = latent
    const batch = samples.shape[0] ?? 1
    const from = Math.min(batch - 1, batch_index)
    const count = Math.min(batch - from, length)
    const masks = noise_mask?.shape[0] ?? 0
    const mask =
      noise_mask && masks > 1
        ? { noise_mask: concatRows(Array.from({ length: count }, (_, i) => row(noise_mask, (from + i) % masks))) }
        : {}
    const draws = Array.from({ length: count }, (_, i) => latent.batch_index?.[from + i] ?? from + i)
    return { LATENT: { ...latent, samples: rows(samples, from, count), ...mask, batch_index: draws } }
  },
})
