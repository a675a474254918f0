/** Stable Diffusion 1, 2 and XL (CompVis, Stability AI): recognised in diffusers' layout and in that of the original single files. */
import { basename } from 'node:path'
import type { Weights } from '../../onnx/weights.ts'
import type { Family, Fit, Json } from '../family.ts'
import { discrete } from '../parametrisation.ts'
import { fitsOf, type Recognition } from '../shared/fits.ts'
import { parseUnetConfig, type UnetConfig } from './config.ts'
import { inferUnetConfig, UNET_SIGNS } from './infer.ts'
import { unetPlace, unetShapes, type UnetLayout } from './keys.ts'
import { LOOKS } from './looks.ts'
import { parametrisationFor, STABLE_DIFFUSION_BETAS } from './sampling.ts'
import { unetText } from './text.ts'
import { unetTransformer } from './transformer.ts'
import { chainOf } from './units.ts'

/** Keys without values by which people mark a single file as one of a model that predicts the velocity. */
const VELOCITY_MARKS = ['v_pred', 'model.diffusion_model.v_pred']

/** Values of a text token in Stable Diffusion XL. */
const XL_TEXT_WIDTH = 2048
/** `scaling_factor` of the autoencoders they were trained on. */
const SCALING = { first: { scale: 0.18215, shift: 0 }, xl: { scale: 0.13025, shift: 0 } }

const recognition: Recognition<UnetConfig, UnetLayout> = {
  name: 'unet',
  className: 'UNet2DConditionModel',
  layouts: ['diffusers', 'original'],
  signs: UNET_SIGNS,
  parse: parseUnetConfig,
  infer: inferUnetConfig,
  shapes: (config) => unetShapes(config, chainOf(config)),
  place: (layout, name, config) => unetPlace(layout, chainOf(config))(name),
  open: (config, weights, where) => ({
    transformer: unetTransformer({ config, weights }, `U-Net ${basename(where)}`),
    latentChannels: config.outChannels,
    parametrisation: parametrisationFor(config, weights),
    scaling: config.textWidth === XL_TEXT_WIDTH ? SCALING.xl : SCALING.first,
    rgb: config.textWidth === XL_TEXT_WIDTH ? LOOKS.xl : LOOKS.first,
  }),
}

/** A fit whose model predicts the velocity. */
const marked = (fit: Fit): Fit => ({
  ...fit,
  open: (change) => ({ ...fit.open(change), parametrisation: discrete('v', STABLE_DIFFUSION_BETAS) }),
})

export default {
  name: 'unet',
  pipelines: ['StableDiffusionPipeline', 'StableDiffusionXLPipeline', 'LatentConsistencyModelPipeline'],
  text: unetText,
  /** By the configuration beside the file if it is of this class (it may be another file's), and by the shapes alone. */
  fits(weights: Weights, json: Json | null): readonly Fit[] {
    const fits = fitsOf(recognition, weights, json)
    return VELOCITY_MARKS.some((key) => weights.tensors.has(key)) ? fits.map(marked) : fits
  },
} satisfies Family
