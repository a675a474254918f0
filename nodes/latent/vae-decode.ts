/** VAEDecode: latents to pictures. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'VAEDecode',
  category: 'latent',
  title: 'VAE Decode',
  help: 'Decodes latents to pictures with values in 0..1.',
  inputs: { samples: port('LATENT'), vae: port('VAE') },
  outputs: { IMAGE: 'IMAGE' },
  run: async ({ samples, vae }) => ({ IMAGE: await vae.decode(samples.samples, samples.scaling) }),
})
