/** The keys of AutoencoderKL's original code (CompVis, Stability AI, Black Forest Labs) under diffusers' names. */
import type { StoredTensor, Weights } from '../../onnx/weights.ts'

/** Modules of a residual block or an attention that have other names. */
const INNER: Readonly<Record<string, string>> = {
  nin_shortcut: 'conv_shortcut',
  norm: 'group_norm',
  q: 'to_q',
  k: 'to_k',
  v: 'to_v',
  proj_out: 'to_out.0',
}

/** The original counts the decoder's stages from the finest, diffusers from the coarsest. */
function stage(side: string, direction: string, index: number, stages: number): string {
  if (direction === 'down') return `${side}.down_blocks.${index}`
  return `${side}.up_blocks.${stages - 1 - index}`
}

function renamed(key: string, stages: number): string {
  const whole = /^(encoder|decoder)\.(.+)$/.exec(key)
  if (!whole) return key
  const [, side = '', rest = ''] = whole
  const block = /^(down|up)\.(\d+)\.block\.(\d+)\.([^.]+)\.(.+)$/.exec(rest)
  if (block) {
    const [, direction = '', index = '', layer = '', module = '', leaf = ''] = block
    return `${stage(side, direction, Number(index), stages)}.resnets.${layer}.${INNER[module] ?? module}.${leaf}`
  }
  const resize = /^(down|up)\.(\d+)\.(downsample|upsample)\.conv\.(.+)$/.exec(rest)
  if (resize) {
    const [, direction = '', index = '', kind = '', leaf = ''] = resize
    return `${stage(side, direction, Number(index), stages)}.${kind}rs.0.conv.${leaf}`
  }
  const middle = /^mid\.(block|attn)_(\d+)\.([^.]+)\.(.+)$/.exec(rest)
  if (middle) {
    const [, kind, index, module = '', leaf = ''] = middle
    const to = kind === 'block' ? 'resnets' : 'attentions'
    return `${side}.mid_block.${to}.${Number(index) - 1}.${INNER[module] ?? module}.${leaf}`
  }
  return `${side}.${rest.replace(/^norm_out\./, 'conv_norm_out.')}`
}

/** Tensors (prefix taken off) by diffusers' names. */
export function klFromOriginal(tensors: Weights['tensors']): Weights['tensors'] {
  let stages = 0
  while (tensors.has(`decoder.up.${stages}.block.0.norm1.weight`)) stages++
  return new Map([...tensors].map(([key, stored]): [string, StoredTensor] => [renamed(key, stages), stored]))
}
