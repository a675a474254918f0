/** LTX-Video (Lightricks, HaCohen et al. 2024): recognised in diffusers' layout and in Lightricks' own. */
import { basename } from 'node:path'
import type { Weights } from '../../onnx/weights.ts'
import type { Family, Json } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { fitsOf } from '../shared/fits.ts'
import { inferLtxConfig, LTX_SIGNS, parseLtxConfig } from './config.ts'
import { ltxPlace, ltxShapes } from './keys.ts'
import { ltxText } from './text.ts'
import { ltxTransformer } from './transformer.ts'

/** ComfyUI's shift; the published schedule depends on the number of tokens. */
const SHIFT = Math.exp(2.37)

/** Frames per latent frame of its autoencoder. */
const TEMPORAL_FACTOR = 8

export default {
  name: 'ltx-video',
  pipelines: ['LTXPipeline'],
  text: ltxText,
  fits: (weights: Weights, json: Json | null) =>
    fitsOf(
      {
        name: 'ltx-video',
        className: 'LTXVideoTransformer3DModel',
        layouts: ['diffusers', 'original'],
        signs: LTX_SIGNS,
        parse: parseLtxConfig,
        infer: inferLtxConfig,
        shapes: ltxShapes,
        place: ltxPlace,
        open: (config, found, where) => ({
          transformer: ltxTransformer({ config, weights: found }, `LTX-Video model ${basename(where)}`),
          latentChannels: config.channels,
          temporalFactor: TEMPORAL_FACTOR,
          parametrisation: flow(SHIFT),
        }),
      },
      weights,
      json,
    ),
} satisfies Family
