/** Encoder and decoder of HunyuanVideo's autoencoder as graphs over so many frames (Kong et al. 2024, section 4.1). */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, groupNorm, linear, silu, split, type Linear } from '../../onnx/ops.ts'
import type { WeightLookup } from '../lookup.ts'
import { conv3d, enlarge, framesOf, joinFrames, type Convolution3d } from './causal-3d.ts'
import { resizingOf, type HunyuanVaeConfig } from './hunyuan-config.ts'

const EPSILON = 1e-6

/** What all layers need. */
interface Builder {
  readonly g: Graph
  readonly config: HunyuanVaeConfig
}

/** Causal convolution whose surroundings are the outermost values repeated: t - 1 times before the first frame, half a window around each. */
function causal(g: Graph, at: WeightLookup, x: Value, options: Convolution3d = {}): Value {
  const layer = at.linear('conv')
  const [, , time = 1, high = 1, wide = 1] = layer.weight.shape
  const [before, after] = [
    [0, 0, time - 1, high >> 1, wide >> 1],
    [0, 0, 0, high >> 1, wide >> 1],
  ]
  const isPoint = time === 1 && high === 1 && wide === 1
  const around = isPoint ? x : g.op('Pad', [x, g.ints([...before, ...after])], { mode: 'edge' })
  return conv3d(g, around, layer, options)
}

/** Group norm over all frames together. */
function norm({ g, config }: Builder, at: WeightLookup, name: string, x: Value): Value {
  const flat = g.op('Reshape', [x, g.ints([0, 0, -1, 1])])
  const normed = groupNorm(g, flat, at.at(`${name}.weight`), at.at(`${name}.bias`), config.groups, EPSILON)
  return g.op('Reshape', [normed, g.op('Shape', [x])])
}

function resnet(b: Builder, at: WeightLookup, x: Value): Value {
  const { g } = b
  const first = causal(g, at.in('conv1'), silu(g, norm(b, at, 'norm1', x)))
  const second = causal(g, at.in('conv2'), silu(g, norm(b, at, 'norm2', first)))
  return g.op('Add', [at.has('conv_shortcut.conv.weight') ? causal(g, at.in('conv_shortcut'), x) : x, second])
}

/** A layer stored as a convolution of one cell, or as a linear layer. */
function asLinear({ weight, bias }: Linear): Linear {
  return { weight: { ...weight, shape: weight.shape.slice(0, 2) }, bias }
}

/**
 * Attention of one head over all cells of `frames` frames, each frame looking at itself and those before it: frame by frame, so that
 * no matrix of scores over the whole video is ever held.
 */
function causalAttention(b: Builder, at: WeightLookup, x: Value, frames: number): Value {
  const { g } = b
  const shape = g.op('Shape', [x])
  const flat = g.op('Reshape', [norm(b, at, 'group_norm', x), g.ints([0, 0, -1])])
  const tokens = g.op('Transpose', [flat], { perm: [0, 2, 1] })
  const [q, k, v] = ['to_q', 'to_k', 'to_v'].map((name) => linear(g, tokens, asLinear(at.linear(name)), 3))
  const cells = g.op('Div', [g.op('Shape', [tokens], { start: 1, end: 2 }), g.ints([frames])])
  const place = (frame: number): Value => g.op('Mul', [cells, g.ints([frame])])
  const between = (value: Value, from: number, to: number): Value =>
    g.op('Slice', [value, place(from), place(to), g.ints([1])])
  const seen = Array.from({ length: frames }, (_, i) =>
    attention(g, between(q!, i, i + 1), between(k!, 0, i + 1), between(v!, 0, i + 1), { heads: 1 }),
  )
  const out = linear(g, g.op('Concat', seen, { axis: 1 }), asLinear(at.linear('to_out.0')), 3)
  return g.op('Add', [x, g.op('Reshape', [g.op('Transpose', [out], { perm: [0, 2, 1] }), shape])])
}

function middle(b: Builder, at: WeightLookup, x: Value, frames: number): Value {
  const first = resnet(b, at.in('resnets.0'), x)
  const mixed = b.config.middleAttention ? causalAttention(b, at.in('attentions.0'), first, frames) : first
  return resnet(b, at.in('resnets.1'), mixed)
}

/** Repeats every frame but the first, which has no past to come from. */
function repeatFrames(g: Graph, x: Value, frames: number): Value {
  if (frames === 1) return x
  const others = g.op('Resize', [framesOf(g, x, 1), null, g.constant([1, 1, 2, 1, 1])], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  })
  return joinFrames(g, framesOf(g, x, 0, 1), others)
}

/** video [B, 3, F, H, W] in -1..1 of F frames -> latent [B, C, 1 + floor((F - 1) / t), H / f, W / f], the posterior's mean, unscaled. */
export function hunyuanEncoderGraph(c: HunyuanVaeConfig, weights: WeightLookup, frames: number): Model {
  const g = new Graph()
  const b: Builder = { g, config: c }
  const at = weights.in('encoder')
  let x = causal(g, at.in('conv_in'), g.input('video', ['B', 3, frames, 'H', 'W']))
  let count = frames
  c.widths.forEach((_, i) => {
    const block = at.in(`down_blocks.${i}`)
    for (let layer = 0; layer < c.layersPerBlock; layer++) x = resnet(b, block.in(`resnets.${layer}`), x)
    const { space, time } = resizingOf(c, i)
    if (space * time > 1) x = causal(g, block.in('downsamplers.0.conv'), x, { stride: space, timeStride: time })
    count = Math.floor((count - 1) / time) + 1
  })
  x = middle(b, at.in('mid_block'), x, count)
  x = causal(g, at.in('conv_out'), silu(g, norm(b, at, 'conv_norm_out', x)))
  const [mean] = split(g, conv3d(g, x, weights.linear('quant_conv')), [c.latentChannels, c.latentChannels], 1)
  g.output('latent', mean!, ['B', c.latentChannels, count, 'h', 'w'])
  return g.build()
}

/** latent [B, C, F, h, w], unscaled, of F frames -> video [B, 3, 1 + (F - 1) t, h f, w f], about -1..1. */
export function hunyuanDecoderGraph(c: HunyuanVaeConfig, weights: WeightLookup, frames: number): Model {
  const g = new Graph()
  const b: Builder = { g, config: c }
  const at = weights.in('decoder')
  const latent = g.input('latent', ['B', c.latentChannels, frames, 'h', 'w'])
  let x = causal(g, at.in('conv_in'), conv3d(g, latent, weights.linear('post_quant_conv')))
  x = middle(b, at.in('mid_block'), x, frames)
  let count = frames
  c.widths.forEach((_, i) => {
    const block = at.in(`up_blocks.${i}`)
    for (let layer = 0; layer <= c.layersPerBlock; layer++) x = resnet(b, block.in(`resnets.${layer}`), x)
    const { space, time } = resizingOf(c, i)
    if (time > 1) x = repeatFrames(g, x, count)
    if (space > 1) x = enlarge(g, x, space)
    if (space * time > 1) x = causal(g, block.in('upsamplers.0.conv'), x)
    count = 1 + (count - 1) * time
  })
  x = causal(g, at.in('conv_out'), silu(g, norm(b, at, 'conv_norm_out', x)))
  g.output('video', x, ['B', 3, count, 'H', 'W'])
  return g.build()
}
