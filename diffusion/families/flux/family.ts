/** FLUX.1 (Black Forest Labs): recognised in diffusers' layout and in that of the original single file. */
import { basename } from 'node:path'
import type { Family } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { fitsOf, type Recognition } from '../shared/fits.ts'
import { FLUX_SIGNS, inferFluxConfig, parseFluxConfig, type FluxConfig, type FluxLayout } from './config.ts'
import { fluxPlace, fluxShapes } from './keys.ts'
import { fluxText } from './text.ts'
import { FluxTransformer } from './transformer.ts'

/** exp(1.15): ComfyUI's shift for FLUX.1 dev, whose own schedule depends on the picture's size; schnell is not shifted. */
const DEV_SHIFT = Math.exp(1.15)

const recognition: Recognition<FluxConfig, FluxLayout> = {
  name: 'flux',
  className: 'FluxTransformer2DModel',
  layouts: ['diffusers', 'original'],
  signs: FLUX_SIGNS,
  parse: parseFluxConfig,
  infer: inferFluxConfig,
  shapes: fluxShapes,
  place: fluxPlace,
  open: (config, weights, where) => ({
    transformer: new FluxTransformer({ config, weights }, `FLUX model ${basename(where)}`),
    latentChannels: config.patchChannels / 4,
    parametrisation: flow(config.guidance ? DEV_SHIFT : 1),
    scaling: { scale: 0.3611, shift: 0.1159 },
  }),
}

export default {
  name: 'flux',
  pipelines: ['FluxPipeline'],
  text: fluxText,
  fits: (weights, json) => fitsOf(recognition, weights, json),
} satisfies Family
