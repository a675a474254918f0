/** AutoencoderKL: the picture autoencoder of SD, SDXL, SD3, FLUX, PixArt and DiT, in diffusers' or the original key names. */
import type { Weights } from '../../../onnx/weights.ts'
import { KlAutoencoder } from '../autoencoder.ts'
import { inferVaeConfig, parseVaeConfig } from '../config.ts'
import { klFromOriginal } from '../original-keys.ts'
import type { AutoencoderKind } from '../kind.ts'
import { scalable, UNSCALED } from '../scaling.ts'

const NAME = 'AutoencoderKL'
/** A key that both layouts have. */
const SIGN = 'decoder.conv_in.weight'
/** Where nothing tells: SD 1.5's, and FLUX's. */
const USUAL = { four: { scale: 0.18215, shift: 0 }, sixteen: { scale: 0.3611, shift: 0.1159 } }
const SIGNS = { original: 'decoder.up.0.block.0.norm1.weight', diffusers: 'decoder.up_blocks.0.resnets.0.norm1.weight' }

/** Convolutions over pictures have four axes, those over video five. */
const isPicture = ({ tensors }: Weights): boolean => tensors.get(SIGN)?.shape.length === 4

export default {
  name: NAME,
  open(weights, config, scaling) {
    const isOriginal = weights.tensors.has(SIGNS.original)
    if (!isPicture(weights) || !(isOriginal || weights.tensors.has(SIGNS.diffusers))) return null
    const named = isOriginal ? { ...weights, tensors: klFromOriginal(weights.tensors) } : weights
    if (config) return new KlAutoencoder(parseVaeConfig(config, `config.json of ${weights.where}`), named)
    const inferred = inferVaeConfig(named.tensors, weights.where)
    if (scaling) return new KlAutoencoder({ ...inferred, ...scaling }, named)
    const usual = inferred.latentChannels === 4 ? USUAL.four : USUAL.sixteen
    return scalable(new KlAutoencoder({ ...inferred, ...UNSCALED }, named), usual)
  },
} satisfies AutoencoderKind
