/** VAELoader: opens an autoencoder alone. */
import { defineNode } from '../define.ts'
import { file } from '../spec.ts'

export default defineNode({
  type: 'VAELoader',
  category: 'loading',
  title: 'Load VAE',
  help: 'Opens an autoencoder of pictures or video, in diffusers or original key names, or that part of a whole checkpoint.',
  inputs: {
    vae_name: file('vae', { help: 'A .safetensors file in vae/ or vae_approx/ of models/ or --models.' }),
  },
  outputs: { VAE: 'VAE' },
  run: async ({ vae_name }, { models, report }) => ({ VAE: await models.autoencoder(vae_name, report) }),
})
