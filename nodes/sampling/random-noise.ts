/** RandomNoise: the starting noise of a seed. */
import { defineNode } from '../define.ts'
import { randomNoise } from '../sampling-run.ts'
import { seed } from '../spec.ts'

export default defineNode({
  type: 'RandomNoise',
  category: 'sampling',
  title: 'RandomNoise',
  help: 'Noise of a seed, the same as in ComfyUI.',
  inputs: { noise_seed: seed({ help: 'Chooses the noise.' }) },
  outputs: { NOISE: 'NOISE' },
  run: ({ noise_seed }) => ({ NOISE: randomNoise(noise_seed) }),
})
