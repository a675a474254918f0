/** DiT (Peebles and Xie 2023), conditioned on a class: recognised in diffusers' layout. */
import { basename } from 'node:path'
import type { Weights } from '../../onnx/weights.ts'
import type { Family, Fit, Json } from '../family.ts'
import { discrete, LINEAR_BETAS } from '../parametrisation.ts'
import { fitOf, unfit, unprefixed } from '../shared/locate.ts'
import { parseDitConfig } from './config.ts'
import { ditShapes } from './keys.ts'
import { openDitLabels } from './text.ts'
import { ditTransformer } from './transformer.ts'

const LABEL = 'dit (diffusers keys)'
/** What diffusers calls the class; early checkpoints name the one it was split from. */
const CLASSES: readonly unknown[] = ['DiTTransformer2DModel', 'Transformer2DModel']

export default {
  name: 'dit',
  pipelines: ['DiTPipeline'],
  openText: openDitLabels,
  /** By the configuration beside the file: the size that positions are counted by leaves no trace in the weights. */
  fits(weights: Weights, json: Json | null): readonly Fit[] {
    if (!json || !CLASSES.includes(json['_class_name']) || json['norm_type'] === 'ada_norm_single')
      return [unfit(weights, LABEL, 0, ['no config.json of a DiTTransformer2DModel beside it'])]
    const config = parseDitConfig(json, `config.json of ${weights.where}`)
    const open = (found: Weights['tensors']) => ({
      transformer: ditTransformer({ config, weights: found }, `DiT model ${basename(weights.where)}`),
      latentChannels: config.channels,
      parametrisation: discrete('epsilon', LINEAR_BETAS),
      scaling: { scale: 0.18215, shift: 0 },
    })
    const tensors = unprefixed(weights.tensors, ['proj_out_1.weight'])
    const place = (key: string) => ({ key, row: 0 })
    return [fitOf({ label: LABEL, weights, tensors, shapes: ditShapes(config), place, open })]
  },
} satisfies Family
