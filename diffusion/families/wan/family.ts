/** WAN 2.1 (Wan team 2025), text-to-video and image-to-video: recognised in diffusers' layout and in that of the authors' files. */
import { basename } from 'node:path'
import type { Family } from '../family.ts'
import { flow } from '../parametrisation.ts'
import { fitsOf } from '../shared/fits.ts'
import { asDiffusers, inferWanConfig, parseWanConfig, WAN_SIGNS, type WanConfig, type WanLayout } from './config.ts'
import { wanPlace, wanShapes } from './keys.ts'
import { wanText } from './text.ts'
import { wanTransformer } from './transformer.ts'

/** ComfyUI's shift for WAN 2.1; diffusers folders say their own. */
const SHIFT = 8
/** Frames per latent frame of every WAN autoencoder. */
const TEMPORAL_FACTOR = 4

export default {
  name: 'wan',
  pipelines: ['WanPipeline', 'WanImageToVideoPipeline'],
  text: wanText,
  fits: (weights, json) =>
    fitsOf<WanConfig, WanLayout>(
      {
        name: 'wan',
        className: 'WanTransformer3DModel',
        layouts: ['diffusers', 'original'],
        signs: WAN_SIGNS,
        parse: parseWanConfig,
        infer: inferWanConfig,
        shapes: wanShapes,
        place: wanPlace,
        open: (config, found, where) => ({
          transformer: wanTransformer({ config, weights: found }, `WAN model ${basename(where)}`),
          latentChannels: config.channels,
          parametrisation: flow(SHIFT),
          temporalFactor: TEMPORAL_FACTOR,
        }),
      },
      weights,
      json && asDiffusers(json),
    ),
} satisfies Family
