/** Stable Diffusion 3 and 3.5 (Stability AI): recognised in diffusers' layout and in that of the original single file. */
import { basename } from 'node:path'
import type { Weights } from '../../onnx/weights.ts'
import type { Family, Fit, Json } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { fitOf, unfit, unprefixed } from '../shared/locate.ts'
import { inferSd3Config, parseSd3Config, SD3_SIGNS, type Sd3Config, type Sd3Layout } from './config.ts'
import { sd3Place, sd3Shapes } from './keys.ts'
import { sd3Text } from './text.ts'
import { sd3Transformer } from './transformer.ts'

/** Time shift of all published SD3 models (Esser et al. 2024, section 5.3.2). */
const SHIFT = 3

function fit(weights: Weights, tensors: Weights['tensors'], config: Sd3Config | null, layout: Sd3Layout): Fit {
  const label = `sd3 (${layout} keys)`
  if (!config)
    return unfit(weights, label, 0, ['no config.json of an SD3Transformer2DModel beside it, and no joint blocks'])
  return fitOf({
    ...{ label, weights, tensors },
    shapes: sd3Shapes(config),
    place: (name) => sd3Place(layout, name, config.width),
    open: (found) => ({
      transformer: sd3Transformer({ config, weights: found }, `SD3 model ${basename(weights.where)}`),
      latentChannels: config.channels,
      parametrisation: flow(SHIFT),
    }),
  })
}

export default {
  name: 'sd3',
  pipelines: ['StableDiffusion3Pipeline'],
  text: sd3Text,
  /** By the configuration beside the file if it is of this class (it may be another file's), and by the shapes alone. */
  fits(weights: Weights, json: Json | null): readonly Fit[] {
    const tensors = unprefixed(weights.tensors, SD3_SIGNS)
    const isOurs = json?.['_class_name'] === 'SD3Transformer2DModel'
    const told = isOurs ? parseSd3Config(json, `config.json of ${weights.where}`) : null
    const layouts: readonly Sd3Layout[] = ['diffusers', 'original']
    return layouts.map((layout) => {
      const byConfig = fit(weights, tensors, told, layout)
      if (byConfig.share === 1) return byConfig
      const byShapes = fit(weights, tensors, inferSd3Config(tensors, layout), layout)
      return byShapes.share > byConfig.share ? byShapes : byConfig
    })
  },
} satisfies Family
