/** AutoencoderKL: the picture autoencoder of SD, SDXL, SD3, FLUX, PixArt and DiT, in diffusers' or the original key names. */
import type { Weights } from '../../../onnx/weights.ts'
import { KlAutoencoder } from '../autoencoder.ts'
import { inferVaeConfig, parseVaeConfig } from '../config.ts'
import { klFromOriginal } from '../original-keys.ts'
import type { AutoencoderKind } from '../kind.ts'

const NAME = 'AutoencoderKL'
/** A key that both layouts have. */
const SIGN = 'decoder.conv_in.weight'
const SIGNS = { original: 'decoder.up.0.block.0.norm1.weight', diffusers: 'decoder.up_blocks.0.resnets.0.norm1.weight' }

/** Convolutions over pictures have four axes, those over video five. */
const isPicture = ({ tensors }: Weights): boolean => tensors.get(SIGN)?.shape.length === 4

export default {
  name: NAME,
  open(weights, config) {
    const isOriginal = weights.tensors.has(SIGNS.original)
    if (!isPicture(weights) || !(isOriginal || weights.tensors.has(SIGNS.diffusers))) return null
    const named = isOriginal ? { ...weights, tensors: klFromOriginal(weights.tensors) } : weights
    const parsed = config
      ? parseVaeConfig(config, `config.json of ${weights.where}`)
      : inferVaeConfig(named.tensors, weights.where)
    return new KlAutoencoder(parsed, named)
  },
} satisfies AutoencoderKind
