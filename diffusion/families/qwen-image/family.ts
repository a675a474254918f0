/** Qwen-Image (Alibaba, Wu et al. 2025): diffusers and ComfyUI keep it under the same keys. */
import { basename } from 'node:path'
import type { Weights } from '../../onnx/weights.ts'
import type { Family, Json } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { fitsOf } from '../shared/fits.ts'
import { inferQwenConfig, parseQwenConfig, QWEN_SIGN } from './config.ts'
import { qwenPlace, qwenShapes } from './keys.ts'
import { qwenText } from './text.ts'
import { qwenTransformer } from './transformer.ts'

/** ComfyUI's shift; the published schedule depends on the picture's size. */
const SHIFT = Math.exp(1.15)

/** Its autoencoder is one for video. */
const TEMPORAL_FACTOR = 4

export default {
  name: 'qwen-image',
  pipelines: ['QwenImagePipeline'],
  text: qwenText,
  fits: (weights: Weights, json: Json | null) =>
    fitsOf(
      {
        name: 'qwen-image',
        className: 'QwenImageTransformer2DModel',
        layouts: ['diffusers'],
        signs: [QWEN_SIGN],
        parse: parseQwenConfig,
        infer: inferQwenConfig,
        shapes: qwenShapes,
        place: (_, name, config) => qwenPlace(name, config),
        open: (config, found, where) => ({
          transformer: qwenTransformer({ config, weights: found }, `Qwen-Image model ${basename(where)}`),
          latentChannels: config.channels,
          temporalFactor: TEMPORAL_FACTOR,
          parametrisation: flow(SHIFT),
        }),
      },
      weights,
      json,
    ),
} satisfies Family
