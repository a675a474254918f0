/** RepeatLatentBatch: a batch of latents several times, each with noise of its own. */
import { concatRows } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { int } from '../spec.ts'

export default defineNode({
  type: 'RepeatLatentBatch',
  category: 'latent',
  title: 'Repeat Latent Batch',
  help: 'The same latents over and over in one batch.',
  inputs: {
    samples: port('LATENT'),
    amount: int({ default: 1, min: 1, max: 64, help: 'How often the batch is repeated.' }),
  },
  outputs: { LATENT: 'LATENT' },
  run({ samples: latent, amount }) {
    const { samples, noise_mask, batch_index } = latent
    const times = <T>(value: T): T[] => Array.from({ length: amount }, () => value)
    const masks = noise_mask && (noise_mask.shape[0] ?? 1) > 1 ? { noise_mask: concatRows(times(noise_mask)) } : {}
    const span = batch_index ? Math.max(...batch_index) - Math.min(...batch_index) + 1 : 0
    const draws = batch_index && times(batch_index).flatMap((all, i) => all.map((draw) => draw + i * span))
    return {
      LATENT: { ...latent, samples: concatRows(times(samples)), ...masks, ...(draws ? { batch_index: draws } : {}) },
    }
  },
})
