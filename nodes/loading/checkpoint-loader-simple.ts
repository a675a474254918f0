/** CheckpointLoaderSimple: opens a model folder or file and gives its transformer, text encoders and autoencoder. */
import { defineNode } from '../define.ts'
import { file } from '../spec.ts'

export default defineNode({
  type: 'CheckpointLoaderSimple',
  category: 'loading',
  title: 'Load Checkpoint',
  help: 'Opens a checkpoint: a diffusers folder or a single .safetensors file. Weights stay in the file and are mapped, not copied.',
  inputs: {
    ckpt_name: file('checkpoints', {
      help: 'A folder with model_index.json under models/ or --models, or a file in its checkpoints/.',
    }),
  },
  outputs: { MODEL: 'MODEL', CLIP: 'CLIP', VAE: 'VAE' },
  async run({ ckpt_name }, { models, report }) {
    const { model, clip, vae } = await models.checkpoint(ckpt_name, report)
    return { MODEL: model, CLIP: clip, VAE: vae }
  },
})
