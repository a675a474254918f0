/** Encoder and decoder of AutoencoderKL as graphs from pixels to scaled latents and back. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, conv2d, groupNorm, linear, silu, split, upsampleNearest } from '../../onnx/ops.ts'
import type { WeightLookup } from '../lookup.ts'
import type { VaeConfig } from './config.ts'

const EPSILON = 1e-6
const SAME = [1, 1, 1, 1]
const NONE = [0, 0, 0, 0]

/** Outputs states between the stages as well, as `hidden.<module>`: for checks against references. */
export interface VaeGraphOptions {
  readonly taps?: boolean
}

type Tap = (name: string, value: Value) => void

const tapOf =
  (g: Graph, { taps }: VaeGraphOptions): Tap =>
  (name, value) => {
    if (taps)
      g.output(
        `hidden.${name}`,
        value,
        ['B', 'C', 'H', 'W'].map((axis) => `${name} ${axis}`),
      )
  }

const norm = (g: Graph, c: VaeConfig, at: WeightLookup, name: string, x: Value): Value =>
  groupNorm(g, x, at.at(`${name}.weight`), at.at(`${name}.bias`), c.groups, EPSILON)

function resnet(g: Graph, c: VaeConfig, at: WeightLookup, x: Value): Value {
  const first = conv2d(g, silu(g, norm(g, c, at, 'norm1', x)), at.linear('conv1'), SAME)
  const second = conv2d(g, silu(g, norm(g, c, at, 'norm2', first)), at.linear('conv2'), SAME)
  const around = at.has('conv_shortcut.weight') ? conv2d(g, x, at.linear('conv_shortcut'), NONE) : x
  return g.op('Add', [around, second])
}

/** Attention of one head over all cells of [B, C, H, W]. */
function cellAttention(g: Graph, c: VaeConfig, at: WeightLookup, x: Value): Value {
  const shape = g.op('Shape', [x])
  const flat = g.op('Reshape', [norm(g, c, at, 'group_norm', x), g.ints([0, 0, -1])])
  const tokens = g.op('Transpose', [flat], { perm: [0, 2, 1] })
  const project = (name: string): Value => {
    const { weight, bias } = at.linear(name)
    return linear(g, tokens, { weight: { ...weight, shape: weight.shape.slice(0, 2) }, bias }, 3)
  }
  const mixed = attention(g, project('to_q'), project('to_k'), project('to_v'), { heads: 1 })
  const { weight, bias } = at.linear('to_out.0')
  const out = linear(g, mixed, { weight: { ...weight, shape: weight.shape.slice(0, 2) }, bias }, 3)
  return g.op('Add', [x, g.op('Reshape', [g.op('Transpose', [out], { perm: [0, 2, 1] }), shape])])
}

function middle(g: Graph, c: VaeConfig, at: WeightLookup, x: Value): Value {
  const first = resnet(g, c, at.in('resnets.0'), x)
  const mixed = c.middleAttention ? cellAttention(g, c, at.in('attentions.0'), first) : first
  return resnet(g, c, at.in('resnets.1'), mixed)
}

/** pixels [B, H, W, 3] in 0..1 -> latent [B, C, H / f, W / f], the posterior's mean, scaled for the sampler. */
export function encoderGraph(c: VaeConfig, weights: WeightLookup, options: VaeGraphOptions = {}): Model {
  const g = new Graph()
  const tap = tapOf(g, options)
  const at = weights.in('encoder')
  const pixels = g.op('Transpose', [g.input('pixels', ['B', 'H', 'W', 3])], { perm: [0, 3, 1, 2] })
  const centred = g.op('Sub', [g.op('Mul', [pixels, g.constant([2])]), g.constant([1])])
  let x = conv2d(g, centred, at.linear('conv_in'), SAME)
  tap('encoder.conv_in', x)
  c.widths.forEach((_, i) => {
    const block = at.in(`down_blocks.${i}`)
    for (let layer = 0; layer < c.layersPerBlock; layer++) x = resnet(g, c, block.in(`resnets.${layer}`), x)
    // The published model pads below and to the right only before it halves the size.
    if (i < c.widths.length - 1) x = conv2d(g, x, block.linear('downsamplers.0.conv'), [0, 0, 1, 1], 2)
    if (i === 0) tap('encoder.down_blocks.0', x)
  })
  x = middle(g, c, at.in('mid_block'), x)
  tap('encoder.mid_block', x)
  x = conv2d(g, silu(g, norm(g, c, at, 'conv_norm_out', x)), at.linear('conv_out'), SAME)
  if (c.quantConvs) x = conv2d(g, x, weights.linear('quant_conv'), NONE)
  const [mean] = split(g, x, [c.latentChannels, c.latentChannels], 1) as [Value]
  const scaled = g.op('Mul', [g.op('Sub', [mean, g.constant([c.shift])]), g.constant([c.scale])])
  g.output('latent', scaled, ['B', c.latentChannels, 'h', 'w'])
  return g.build()
}

/** latent [B, C, h, w] in the sampler's scale -> pixels [B, h f, w f, 3], clamped to 0..1. */
export function decoderGraph(c: VaeConfig, weights: WeightLookup, options: VaeGraphOptions = {}): Model {
  const g = new Graph()
  const tap = tapOf(g, options)
  const at = weights.in('decoder')
  const latent = g.input('latent', ['B', c.latentChannels, 'h', 'w'])
  const raw = g.op('Add', [g.op('Mul', [latent, g.constant([1 / c.scale])]), g.constant([c.shift])])
  let x = c.quantConvs ? conv2d(g, raw, weights.linear('post_quant_conv'), NONE) : raw
  x = conv2d(g, x, at.linear('conv_in'), SAME)
  tap('decoder.conv_in', x)
  x = middle(g, c, at.in('mid_block'), x)
  tap('decoder.mid_block', x)
  c.widths.forEach((_, i) => {
    const block = at.in(`up_blocks.${i}`)
    for (let layer = 0; layer <= c.layersPerBlock; layer++) x = resnet(g, c, block.in(`resnets.${layer}`), x)
    if (i < c.widths.length - 1) x = conv2d(g, upsampleNearest(g, x), block.linear('upsamplers.0.conv'), SAME)
    if (i === 0) tap('decoder.up_blocks.0', x)
  })
  x = conv2d(g, silu(g, norm(g, c, at, 'conv_norm_out', x)), at.linear('conv_out'), SAME)
  const unit = g.op('Add', [g.op('Mul', [x, g.constant([0.5])]), g.constant([0.5])])
  const rows = g.op('Transpose', [unit], { perm: [0, 2, 3, 1] })
  if (options.taps) g.output('unclamped', rows, ['B', 'H', 'W', 3])
  g.output('pixels', g.op('Clip', [rows, g.constant([0], []), g.constant([1], [])]), ['B', 'H', 'W', 3])
  return g.build()
}
