/** VAEEncodeTiled: pictures to latents, tile by tile. */
import { encodeTiled } from '../../diffusion/tiling.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { cropToMultiple, unitOf } from './shared/crop.ts'
import { encoded } from './shared/encoded.ts'
import { tileInputs, tilingOf } from './shared/tile-inputs.ts'

export default defineNode({
  type: 'VAEEncodeTiled',
  category: 'latent',
  title: 'VAE Encode (Tiled)',
  help: 'Encodes large pictures with the memory of one tile. The frames of a video are encoded together.',
  inputs: { pixels: port('IMAGE'), vae: port('VAE'), ...tileInputs },
  outputs: { LATENT: 'LATENT' },
  async run({ pixels, vae, ...tiles }) {
    const fitting = cropToMultiple('VAEEncodeTiled', pixels, unitOf(vae))
    return { LATENT: encoded(await encodeTiled(vae, fitting, tilingOf(tiles, vae)), vae) }
  },
})
