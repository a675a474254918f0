/** CheckpointLoaderSimple: opens a model folder or file and gives its transformer, text encoders and autoencoder. */
import { defineNode } from '../define.ts'
import { file } from '../spec.ts'

export default defineNode({
  type: 'CheckpointLoaderSimple',
  category: 'loading',
  title: 'Load Checkpoint',
  help: 'Opens a checkpoint: a folder in diffusers layout or an all-in-one file, used as it is.',
  inputs: {
    ckpt_name: file('checkpoints', {
      help: 'A folder with model_index.json in models/ or a --models folder or in their checkpoints/, or a .safetensors file in checkpoints/.',
    }),
  },
  outputs: { MODEL: 'MODEL', CLIP: 'CLIP', VAE: 'VAE' },
  async run({ ckpt_name }, { models, report }) {
    const { model, clip, vae } = await models.checkpoint(ckpt_name, report)
    return { MODEL: model, CLIP: clip, VAE: vae }
  },
})
