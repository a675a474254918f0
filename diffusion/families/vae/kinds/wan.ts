/** AutoencoderKLWan: the video autoencoder of WAN 2.1 and Qwen-Image, in diffusers' or the authors' key names. */
import type { AutoencoderKind } from '../kind.ts'
import { WanAutoencoder } from '../wan.ts'
import { inferWanVaeConfig, parseWanVaeConfig } from '../wan-config.ts'
import { WAN_VAE_ORIGINAL, wanVaeFromOriginal } from '../wan-keys.ts'

/** A key of diffusers' layout: norms of channels over video that have no shift. */
const DIFFUSERS = 'decoder.up_blocks.0.resnets.0.norm1.gamma'

export default {
  name: 'AutoencoderKLWan',
  open(weights, config) {
    const isOriginal = weights.tensors.has(WAN_VAE_ORIGINAL)
    if (!isOriginal && !weights.tensors.has(DIFFUSERS)) return null
    const named = isOriginal ? { ...weights, tensors: wanVaeFromOriginal(weights.tensors) } : weights
    const parsed = config ? parseWanVaeConfig(config, `config.json of ${weights.where}`) : inferWanVaeConfig(named)
    return new WanAutoencoder(parsed, named)
  },
} satisfies AutoencoderKind
