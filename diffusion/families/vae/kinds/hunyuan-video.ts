/** AutoencoderKLHunyuanVideo: the video autoencoder of HunyuanVideo, in diffusers' names (Tencent's own) or as ComfyUI renames them. */
import { HunyuanAutoencoder } from '../hunyuan.ts'
import { inferHunyuanVaeConfig, parseHunyuanVaeConfig } from '../hunyuan-config.ts'
import type { AutoencoderKind } from '../kind.ts'
import { klFromOriginal } from '../original-keys.ts'

const SIGNS = {
  diffusers: 'decoder.up_blocks.0.resnets.0.conv1.conv.weight',
  comfyui: 'decoder.up.0.block.0.conv1.conv.weight',
}
/** WAN's and others' have none. */
const QUANT = 'quant_conv.weight'

export default {
  name: 'AutoencoderKLHunyuanVideo',
  open(weights, config) {
    const isRenamed = weights.tensors.has(SIGNS.comfyui)
    if (!weights.tensors.has(QUANT) || !(isRenamed || weights.tensors.has(SIGNS.diffusers))) return null
    const named = isRenamed ? { ...weights, tensors: klFromOriginal(weights.tensors) } : weights
    const parsed = config
      ? parseHunyuanVaeConfig(config, `config.json of ${weights.where}`)
      : inferHunyuanVaeConfig(named.tensors)
    return new HunyuanAutoencoder(parsed, named)
  },
} satisfies AutoencoderKind
