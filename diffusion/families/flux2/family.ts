/** FLUX.2 (Black Forest Labs): recognised in diffusers' layout and in that of the original single file. */
import { basename } from 'node:path'
import type { Weights } from '../../onnx/weights.ts'
import type { Family, Json } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { fitsOf } from '../shared/fits.ts'
import { FLUX2_SIGNS, inferFlux2Config, parseFlux2Config } from './config.ts'
import { flux2Place, flux2Shapes } from './keys.ts'
import { flux2Transformer } from './transformer.ts'

/** ComfyUI's shift; the published schedule depends on the picture's size. */
const SHIFT = Math.exp(2.02)

export default {
  name: 'flux2',
  pipelines: ['Flux2Pipeline', 'Flux2KleinPipeline'],
  fits: (weights: Weights, json: Json | null) =>
    fitsOf(
      {
        name: 'flux2',
        className: 'Flux2Transformer2DModel',
        layouts: ['diffusers', 'original'],
        signs: FLUX2_SIGNS,
        parse: parseFlux2Config,
        infer: inferFlux2Config,
        shapes: flux2Shapes,
        place: flux2Place,
        open: (config, found, where) => ({
          transformer: flux2Transformer({ config, weights: found }, `FLUX.2 model ${basename(where)}`),
          latentChannels: config.channels,
          parametrisation: flow(SHIFT),
        }),
      },
      weights,
      json,
    ),
} satisfies Family
