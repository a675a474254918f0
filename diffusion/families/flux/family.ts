/** FLUX.1 (Black Forest Labs): recognised in diffusers' layout and in that of the original single file. */
import { basename } from 'node:path'
import type { StoredTensor, Weights } from '../../onnx/weights.ts'
import type { Family, Fit, Json } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { inferFluxConfig, parseFluxConfig, type FluxConfig, type FluxLayout } from './config.ts'
import { locateFlux } from './keys.ts'
import { fluxText } from './text.ts'
import { FluxTransformer } from './transformer.ts'

/** What ComfyUI and others put in front of every key of a transformer inside a larger checkpoint. */
const PREFIXES = ['model.diffusion_model.', 'diffusion_model.', 'transformer.']
/** exp(1.15): ComfyUI's shift for FLUX.1 dev, whose own schedule depends on the picture's size; schnell is not shifted. */
const DEV_SHIFT = Math.exp(1.15)

/** Tensors by key without a common prefix. */
function unprefixed(tensors: Weights['tensors']): ReadonlyMap<string, StoredTensor> {
  const prefix = PREFIXES.find((p) => tensors.has(`${p}img_in.weight`) || tensors.has(`${p}x_embedder.weight`))
  if (!prefix) return tensors
  return new Map(
    [...tensors].filter(([key]) => key.startsWith(prefix)).map(([key, t]) => [key.slice(prefix.length), t]),
  )
}

/** Keys of weights that are integers or fp8 with a scale of their own: other numbers than they seem. */
const isScale = (key: string): boolean => key === 'scaled_fp8' || /\.(scale_weight|weight_scale|absmax)$/.test(key)

function fit(weights: Weights, tensors: Weights['tensors'], config: FluxConfig | null, layout: FluxLayout): Fit {
  const label = `flux (${layout} keys)`
  const unfit = (share: number, misfits: readonly string[]): Fit => ({
    label,
    share,
    misfits,
    open: () => {
      throw new Error(`${weights.where}: not ${label}: ${misfits.join('; ')}`)
    },
  })
  if (!config) return unfit(0, ['no config.json of a FluxTransformer2DModel beside it, and no layers of head size 128'])
  const { found, misfits, total } = locateFlux(tensors, config, layout)
  const scale = [...tensors.keys()].find(isScale)
  if (scale) return unfit((found.size - 1) / total, [`${scale}: weights with scales are not supported`, ...misfits])
  if (misfits.length > 0) return unfit(found.size / total, misfits)
  return {
    label,
    share: 1,
    misfits,
    open: () => ({
      transformer: new FluxTransformer({ config, weights: found }, `FLUX model ${basename(weights.where)}`),
      latentChannels: config.patchChannels / 4,
      parametrisation: flow(config.guidance ? DEV_SHIFT : 1),
    }),
  }
}

export default {
  name: 'flux',
  pipelines: ['FluxPipeline'],
  text: fluxText,
  /** By the configuration beside the file if it is of this class (it may be another file's), and by the shapes alone. */
  fits(weights: Weights, json: Json | null): readonly Fit[] {
    const tensors = unprefixed(weights.tensors)
    const isOurs = json?.['_class_name'] === 'FluxTransformer2DModel'
    const told = isOurs ? parseFluxConfig(json, `config.json of ${weights.where}`) : null
    const layouts: readonly FluxLayout[] = ['diffusers', 'original']
    return layouts.map((layout) => {
      const byConfig = fit(weights, tensors, told, layout)
      const byShapes = fit(weights, tensors, inferFluxConfig(tensors, layout), layout)
      return byShapes.share > byConfig.share ? byShapes : byConfig
    })
  },
} satisfies Family
