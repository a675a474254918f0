/** PixArt-alpha and PixArt-sigma (Chen et al. 2023, 2024): recognised in diffusers' layout. */
import { basename } from 'node:path'
import type { Weights } from '../../onnx/weights.ts'
import type { Family, Fit, Json } from '../family.ts'
import { discrete, LINEAR_BETAS } from '../parametrisation.ts'
import { fitOf, unfit, unprefixed } from '../shared/locate.ts'
import { parsePixArtConfig } from './config.ts'
import { pixartShapes } from './keys.ts'
import { pixartText } from './text.ts'
import { pixartTransformer } from './transformer.ts'

const LABEL = 'pixart (diffusers keys)'
/** What diffusers calls the class; early checkpoints name the one it was split from. */
const CLASSES: readonly unknown[] = ['PixArtTransformer2DModel', 'Transformer2DModel']

/** `scaling_factor` of SD 1.5's and SDXL's autoencoders, which they were trained on. */
const SCALING = { alpha: { scale: 0.18215, shift: 0 }, sigma: { scale: 0.13025, shift: 0 } }

export default {
  name: 'pixart',
  pipelines: ['PixArtSigmaPipeline', 'PixArtAlphaPipeline'],
  text: pixartText,
  /** By the configuration beside the file: the size that positions are counted by leaves no trace in the weights. */
  fits(weights: Weights, json: Json | null): readonly Fit[] {
    if (!json || !CLASSES.includes(json['_class_name']) || json['norm_type'] === 'ada_norm_zero')
      return [unfit(weights, LABEL, 0, ['no config.json of a PixArtTransformer2DModel beside it'])]
    const config = parsePixArtConfig(json, `config.json of ${weights.where}`)
    const open = (found: Weights['tensors']) => ({
      transformer: pixartTransformer({ config, weights: found }, `PixArt model ${basename(weights.where)}`),
      latentChannels: config.channels,
      parametrisation: discrete('epsilon', LINEAR_BETAS),
      scaling: SCALING[config.sized ? 'alpha' : 'sigma'],
    })
    const tensors = unprefixed(weights.tensors, ['adaln_single.linear.weight'])
    const place = (key: string) => ({ key, row: 0 })
    return [fitOf({ label: LABEL, weights, tensors, shapes: pixartShapes(config), place, open })]
  },
} satisfies Family
