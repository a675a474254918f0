/** Z-Image (Alibaba Tongyi, 2025): recognised in diffusers' layout and in that of ComfyUI's files. */
import { basename } from 'node:path'
import type { Weights } from '../../onnx/weights.ts'
import type { Family, Json } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { fitsOf } from '../shared/fits.ts'
import { inferZImageConfig, parseZImageConfig, Z_IMAGE_SIGNS } from './config.ts'
import { zImagePlace, zImageShapes } from './keys.ts'
import { zImageText } from './text.ts'
import { zImageTransformer } from './transformer.ts'

/** Time shift of Z-Image-Turbo, as ComfyUI and its scheduler_config.json have it. */
const SHIFT = 3

export default {
  name: 'z-image',
  pipelines: ['ZImagePipeline'],
  text: zImageText,
  fits: (weights: Weights, json: Json | null) =>
    fitsOf(
      {
        name: 'z-image',
        className: 'ZImageTransformer2DModel',
        layouts: ['diffusers', 'comfyui'],
        signs: Z_IMAGE_SIGNS,
        parse: parseZImageConfig,
        infer: inferZImageConfig,
        shapes: zImageShapes,
        place: zImagePlace,
        open: (config, found, where) => ({
          transformer: zImageTransformer({ config, weights: found }, `Z-Image model ${basename(where)}`),
          latentChannels: config.channels,
          parametrisation: flow(SHIFT),
        }),
      },
      weights,
      json,
    ),
} satisfies Family
