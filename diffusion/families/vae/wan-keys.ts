/** WAN's video autoencoder as its authors and ComfyUI save it, by the names that diffusers gives its tensors. */
import type { Weights } from '../../onnx/weights.ts'

const OUTER: Readonly<Record<string, string>> = {
  conv1: 'quant_conv',
  conv2: 'post_quant_conv',
  'encoder.conv1': 'encoder.conv_in',
  'decoder.conv1': 'decoder.conv_in',
  'encoder.head.0': 'encoder.norm_out',
  'decoder.head.0': 'decoder.norm_out',
  'encoder.head.2': 'encoder.conv_out',
  'decoder.head.2': 'decoder.conv_out',
}

/** Modules of a residual block. */
const RESIDUAL: Readonly<Record<string, string>> = {
  'residual.0': 'norm1',
  'residual.2': 'conv1',
  'residual.3': 'norm2',
  'residual.6': 'conv2',
  shortcut: 'conv_shortcut',
}

const MIDDLE = ['resnets.0', 'attentions.0', 'resnets.1']

/** Modules of the decoder's list in order: as many residual blocks a resolution as `perLevel`, and a resampling between resolutions. */
function decoderModule(index: number, perLevel: number): string {
  const [level, inner] = [Math.floor(index / (perLevel + 1)), index % (perLevel + 1)]
  return `decoder.up_blocks.${level}.${inner === perLevel ? 'upsamplers.0' : `resnets.${inner}`}`
}

function renamed(module: string, perLevel: number): string {
  const outer = OUTER[module]
  if (outer) return outer
  const middle = /^(encoder|decoder)\.middle\.(\d)\.(.+)$/.exec(module)
  if (middle) return `${middle[1]}.mid_block.${MIDDLE[Number(middle[2])]}.${RESIDUAL[middle[3]!] ?? middle[3]}`
  const level = /^(?:encoder\.down|decoder\.up)samples\.(\d+)\.(.+)$/.exec(module)
  if (!level) return module
  const [, index, inner = ''] = level
  const block = module.startsWith('encoder') ? `encoder.down_blocks.${index}` : decoderModule(Number(index), perLevel)
  return `${block}.${RESIDUAL[inner] ?? inner}`
}

/** A key that only the authors' layout has. */
export const WAN_VAE_ORIGINAL = 'decoder.upsamples.0.residual.2.weight'

/** Tensors of the authors' layout by diffusers' names. */
export function wanVaeFromOriginal(tensors: Weights['tensors']): Weights['tensors'] {
  let perLevel = 0
  while (tensors.has(`decoder.upsamples.${perLevel}.residual.2.weight`)) perLevel++
  return new Map(
    [...tensors].map(([key, stored]) => {
      const dot = key.lastIndexOf('.')
      return [renamed(key.slice(0, dot), perLevel) + key.slice(dot), stored]
    }),
  )
}
