/** VAEEncode: pictures to latents, for image-to-image. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { cropToMultiple, unitOf } from './shared/crop.ts'
import { encoded } from './shared/encoded.ts'

export default defineNode({
  type: 'VAEEncode',
  category: 'latent',
  title: 'VAE Encode',
  help: 'Encodes pictures to latents (the mean of the posterior). Sides that are no multiple of 16 are cropped from the centre.',
  inputs: { pixels: port('IMAGE'), vae: port('VAE') },
  outputs: { LATENT: 'LATENT' },
  run: async ({ pixels, vae }) => ({
    LATENT: encoded(await vae.encode(cropToMultiple('VAEEncode', pixels, unitOf(vae))), vae),
  }),
})
