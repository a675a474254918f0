/** FLUX.1 (Black Forest Labs): recognised in diffusers' layout and in that of the original single file. */
import { basename } from 'node:path'
import type { StoredTensor, Weights } from '../../onnx/weights.ts'
import type { Family, Fit, Json } from '../family.ts'
import { inferFluxConfig, parseFluxConfig, type FluxConfig } from './config.ts'
import { locateFlux, type FluxLayout } from './keys.ts'
import { openFluxText } from './text.ts'
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

function fit(weights: Weights, config: FluxConfig, layout: FluxLayout): Fit {
  const { found, misfits, total } = locateFlux(unprefixed(weights.tensors), config, layout)
  return {
    label: `flux (${layout} keys)`,
    share: found.size / total,
    misfits,
    open: () => ({
      transformer: new FluxTransformer({ config, weights: found }, `FLUX model ${basename(weights.where)}`),
      latentChannels: config.patchChannels / 4,
      shift: config.guidance ? DEV_SHIFT : 1,
    }),
  }
}

/** A configuration that names another class is not one of ours; without one, shapes must tell. */
function configOf(weights: Weights, json: Json | null): FluxConfig | null {
  if (json?.['_class_name'] === 'FluxTransformer2DModel')
    return parseFluxConfig(json, `config.json of ${weights.where}`)
  return inferFluxConfig(unprefixed(weights.tensors))
}

export default {
  name: 'flux',
  pipeline: 'FluxPipeline',
  openText: openFluxText,
  fits(weights: Weights, json: Json | null): readonly Fit[] {
    const config = configOf(weights, json)
    if (!config) {
      const misfits = ['img_in.weight and double_blocks.0.img_attn.norm.query_norm.scale [128]: missing']
      const none = (layout: FluxLayout): Fit => ({
        label: `flux (${layout} keys)`,
        share: 0,
        misfits: layout === 'original' ? misfits : ['a config.json with _class_name FluxTransformer2DModel: missing'],
        open: () => {
          throw new Error(`${weights.where} is no FLUX model`)
        },
      })
      return [none('diffusers'), none('original')]
    }
    return [fit(weights, config, 'diffusers'), fit(weights, config, 'original')]
  },
} satisfies Family
