/** HunyuanVideo (Tencent, Kong et al. 2024): recognised in diffusers' layout, Tencent's own and that of ComfyUI's files. */
import { basename } from 'node:path'
import type { Weights } from '../../onnx/weights.ts'
import type { Family, Json } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { fitsOf } from '../shared/fits.ts'
import { HUNYUAN_SIGNS, inferHunyuanConfig, parseHunyuanConfig } from './config.ts'
import { hunyuanPlace, hunyuanShapes } from './keys.ts'
import { hunyuanText } from './text.ts'
import { hunyuanTransformer } from './transformer.ts'

/** Time shift that ComfyUI and the published scheduler_config.json give it. */
const SHIFT = 7

/** Frames per latent frame of its autoencoder. */
const TEMPORAL_FACTOR = 4

export default {
  name: 'hunyuan-video',
  pipelines: ['HunyuanVideoPipeline'],
  text: hunyuanText,
  fits: (weights: Weights, json: Json | null) =>
    fitsOf(
      {
        name: 'hunyuan-video',
        className: 'HunyuanVideoTransformer3DModel',
        layouts: ['diffusers', 'original', 'comfyui'],
        signs: HUNYUAN_SIGNS,
        parse: parseHunyuanConfig,
        infer: inferHunyuanConfig,
        shapes: hunyuanShapes,
        place: hunyuanPlace,
        open: (config, found, where) => ({
          transformer: hunyuanTransformer({ config, weights: found }, `HunyuanVideo model ${basename(where)}`),
          latentChannels: config.outChannels,
          temporalFactor: TEMPORAL_FACTOR,
          parametrisation: flow(SHIFT),
        }),
      },
      weights,
      json,
    ),
} satisfies Family
