/** PixArt-alpha and PixArt-sigma (Chen et al. 2023, 2024): recognised in diffusers' layout and in that of the authors' files. */
import { basename } from 'node:path'
import type { Family, Json } from '../family.ts'
import { discrete, LINEAR_BETAS } from '../parametrisation.ts'
import { fitsOf, type Recognition } from '../shared/fits.ts'
import { inferPixArtConfig, parsePixArtConfig, PIXART_SIGNS, type PixArtConfig, type PixArtLayout } from './config.ts'
import { pixartPlace, pixartShapes } from './keys.ts'
import { pixartText } from './text.ts'
import { pixartTransformer } from './transformer.ts'

const CLASS = 'PixArtTransformer2DModel'
/** What diffusers calls the class; early checkpoints name the one it was split from. */
const CLASSES: readonly unknown[] = [CLASS, 'Transformer2DModel']

/** `scaling_factor` of SD 1.5's and SDXL's autoencoders, which they were trained on. */
const SCALING = { alpha: { scale: 0.18215, shift: 0 }, sigma: { scale: 0.13025, shift: 0 } }

const recognition: Recognition<PixArtConfig, PixArtLayout> = {
  name: 'pixart',
  className: CLASS,
  layouts: ['diffusers', 'original'],
  signs: PIXART_SIGNS,
  parse: parsePixArtConfig,
  infer: inferPixArtConfig,
  shapes: pixartShapes,
  place: pixartPlace,
  open: (config, weights, where) => ({
    transformer: pixartTransformer({ config, weights }, `PixArt model ${basename(where)}`),
    latentChannels: config.channels,
    parametrisation: discrete('epsilon', LINEAR_BETAS),
    scaling: SCALING[config.sized ? 'alpha' : 'sigma'],
  }),
}

/** Early configurations under the class's present name; others' as they are. */
const named = (json: Json): Json =>
  CLASSES.includes(json['_class_name']) && json['norm_type'] !== 'ada_norm_zero'
    ? { ...json, _class_name: CLASS }
    : json

export default {
  name: 'pixart',
  pipelines: ['PixArtSigmaPipeline', 'PixArtAlphaPipeline'],
  text: pixartText,
  fits: (weights, json) => fitsOf(recognition, weights, json && named(json)),
} satisfies Family
