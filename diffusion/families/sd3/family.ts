/** Stable Diffusion 3 and 3.5 (Stability AI): recognised in diffusers' layout and in that of the original single file. */
import { basename } from 'node:path'
import type { Family } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { fitsOf, type Recognition } from '../shared/fits.ts'
import { inferSd3Config, parseSd3Config, SD3_SIGNS, type Sd3Config, type Sd3Layout } from './config.ts'
import { sd3Place, sd3Shapes } from './keys.ts'
import { sd3Text } from './text.ts'
import { sd3Transformer } from './transformer.ts'

/** Time shift of all published SD3 models (Esser et al. 2024, section 5.3.2). */
const SHIFT = 3

const recognition: Recognition<Sd3Config, Sd3Layout> = {
  name: 'sd3',
  className: 'SD3Transformer2DModel',
  layouts: ['diffusers', 'original'],
  signs: SD3_SIGNS,
  parse: parseSd3Config,
  infer: inferSd3Config,
  shapes: sd3Shapes,
  place: (layout, name, config) => sd3Place(layout, name, config.width),
  open: (config, weights, where) => ({
    transformer: sd3Transformer({ config, weights }, `SD3 model ${basename(where)}`),
    latentChannels: config.channels,
    parametrisation: flow(SHIFT),
    scaling: { scale: 1.5305, shift: 0.0609 },
  }),
}

export default {
  name: 'sd3',
  pipelines: ['StableDiffusion3Pipeline'],
  text: sd3Text,
  fits: (weights, json) => fitsOf(recognition, weights, json),
} satisfies Family
