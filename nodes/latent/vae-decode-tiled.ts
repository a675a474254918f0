/** VAEDecodeTiled: latents to pictures, tile by tile. */
import { decodeTiled } from '../../diffusion/tiling.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { tileInputs, tilingOf } from './shared/tile-inputs.ts'

export default defineNode({
  type: 'VAEDecodeTiled',
  category: 'latent',
  title: 'VAE Decode (Tiled)',
  help: 'Decodes large pictures and videos with the memory of one tile; a little slower, and nearly the same picture.',
  inputs: { samples: port('LATENT'), vae: port('VAE'), ...tileInputs },
  outputs: { IMAGE: 'IMAGE' },
  run: async ({ samples, vae, ...tiles }) => ({
    IMAGE: await decodeTiled(vae, samples.samples, tilingOf(tiles, vae), samples.scaling),
  }),
})
