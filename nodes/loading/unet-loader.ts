/** UNETLoader: opens a transformer alone, from a single file or a folder. */
import { defineNode } from '../define.ts'
import { choice, file } from '../spec.ts'

export default defineNode({
  type: 'UNETLoader',
  category: 'loading',
  title: 'Load Diffusion Model',
  help: 'Opens a transformer without text encoders and autoencoder, in diffusers or original key names. Weights stay in the file.',
  inputs: {
    unet_name: file('diffusion_models', {
      help: 'A .safetensors file in diffusion_models/ (or unet/) of models/ or --models.',
    }),
    weight_dtype: choice(['default', 'fp8_e4m3fn', 'fp8_e4m3fn_fast', 'fp8_e5m2'], {
      default: 'default',
      optional: true,
      help: 'Weights are used as the file has them, float8 ones too: nothing is made smaller here.',
    }),
  },
  outputs: { MODEL: 'MODEL' },
  run: async ({ unet_name }, { models, report }) => ({ MODEL: await models.diffusionModel(unet_name, report) }),
})
