/** DiT (Peebles and Xie 2023), conditioned on a class: recognised in diffusers' layout and in that of the authors' files. */
import { basename } from 'node:path'
import type { Family, Json } from '../family.ts'
import { discrete, LINEAR_BETAS } from '../parametrisation.ts'
import { fitsOf, type Recognition } from '../shared/fits.ts'
import { DIT_SIGNS, inferDitConfig, parseDitConfig, type DitConfig, type DitLayout } from './config.ts'
import { ditPlace, ditShapes } from './keys.ts'
import { openDitLabels } from './text.ts'
import { ditTransformer } from './transformer.ts'

const CLASS = 'DiTTransformer2DModel'
/** What diffusers calls the class; early checkpoints name the one it was split from. */
const CLASSES: readonly unknown[] = [CLASS, 'Transformer2DModel']

const recognition: Recognition<DitConfig, DitLayout> = {
  name: 'dit',
  className: CLASS,
  layouts: ['diffusers', 'original'],
  signs: DIT_SIGNS,
  parse: parseDitConfig,
  infer: inferDitConfig,
  shapes: ditShapes,
  place: ditPlace,
  open: (config, weights, where) => ({
    transformer: ditTransformer({ config, weights }, `DiT model ${basename(where)}`),
    latentChannels: config.channels,
    parametrisation: discrete('epsilon', LINEAR_BETAS),
    scaling: { scale: 0.18215, shift: 0 },
  }),
}

/** Early configurations under the class's present name; others' as they are. */
const named = (json: Json): Json =>
  CLASSES.includes(json['_class_name']) && json['norm_type'] !== 'ada_norm_single'
    ? { ...json, _class_name: CLASS }
    : json

export default {
  name: 'dit',
  pipelines: ['DiTPipeline'],
  openText: openDitLabels,
  fits: (weights, json) => fitsOf(recognition, weights, json && named(json)),
} satisfies Family
