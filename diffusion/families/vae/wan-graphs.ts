/** Encoder and decoder of WAN's video autoencoder as graphs over one stretch of frames (Wan team 2025, section 4.1). */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, linear, silu, split } from '../../onnx/ops.ts'
import type { StoredTensor } from '../../onnx/weights.ts'
import type { WeightLookup } from '../lookup.ts'
import {
  conv3d,
  enlarge,
  framesOf,
  fromFrames,
  interleaveHalves,
  joinFrames,
  toFrames,
  type Video,
} from './causal-3d.ts'
import { StreamGraph, type Memory } from './causal-stream.ts'
import type { WanVaeConfig } from './wan-config.ts'

const SAME = [1, 1, 1, 1]
/** Least length that the channels of a cell are divided by. */
const SHORTEST = 1e-12

/** A graph, and what one run of it hands to the next. */
export interface StreamModel {
  readonly model: Model
  readonly memories: readonly Memory[]
}

interface Builder {
  readonly g: Graph
  readonly stream: StreamGraph
  /** Sides of the frames at this place, relative to those that come in. */
  readonly scale: number
}

/** The channels of every cell divided by their root mean square, times gamma [C, 1, ..]. */
function norm(g: Graph, x: Value, gamma: StoredTensor): Value {
  const [channels = 1, ...rest] = gamma.shape
  const square = g.op('ReduceMean', [g.op('Mul', [x, x]), g.ints([1])], { keepdims: 1 })
  const root = g.op('Max', [g.op('Sqrt', [square]), g.constant([SHORTEST / Math.sqrt(channels)])])
  return g.op('Mul', [g.op('Div', [x, root]), g.weight({ ...gamma, shape: [1, channels, ...rest] })])
}

function resnet({ g, stream, scale }: Builder, at: WeightLookup, x: Video): Video {
  const options = { pads: SAME }
  const first = stream.conv(silu(g, norm(g, x, at.at('norm1.gamma'))), at.linear('conv1'), scale, options)
  const second = stream.conv(silu(g, norm(g, first, at.at('norm2.gamma'))), at.linear('conv2'), scale, options)
  const around = at.has('conv_shortcut.weight') ? conv3d(g, x, at.linear('conv_shortcut')) : x
  return g.op('Add', [around, second])
}

/** Attention of one head over all cells of each frame. */
function cellAttention(g: Graph, at: WeightLookup, x: Video): Video {
  const frames = norm(g, toFrames(g, x), at.at('norm.gamma'))
  const shape = g.op('Shape', [frames])
  const tokens = g.op('Transpose', [g.op('Reshape', [frames, g.ints([0, 0, -1])])], { perm: [0, 2, 1] })
  const project = (name: string, value: Value): Value => {
    const { weight, bias } = at.linear(name)
    return linear(g, value, { weight: { ...weight, shape: weight.shape.slice(0, 2) }, bias }, 3)
  }
  const width = at.at('proj.weight').shape[0] ?? 0
  const [q, k, v] = split(g, project('to_qkv', tokens), [width, width, width]) as [Value, Value, Value]
  const mixed = project('proj', attention(g, q, k, v, { heads: 1 }))
  const whole = g.op('Reshape', [g.op('Transpose', [mixed], { perm: [0, 2, 1] }), shape])
  return g.op('Add', [x, fromFrames(g, whole)])
}

function middle(b: Builder, at: WeightLookup, x: Video): Video {
  const first = resnet(b, at.in('resnets.0'), x)
  return resnet(b, at.in('resnets.1'), cellAttention(b.g, at.in('attentions.0'), first))
}

/** Halves the frames but for the first of all: every second one from there on, with the two before it. */
function halveFrames({ g, stream, scale }: Builder, at: WeightLookup, x: Video): Video {
  const layer = at.linear('time_conv')
  const { before, keep } = stream.remember(layer.weight.shape[1] ?? 0, 1, scale)
  const [halved, last] = g.branch(
    stream.isFirst,
    () => [x, x],
    () => [conv3d(g, joinFrames(g, before, x), layer, { timeStride: 2 }), framesOf(g, x, -1)],
  ) as [Video, Video]
  keep(last)
  return halved
}

/** Doubles the frames but for the first of all, which the others do not see. */
function doubleFrames({ g, stream, scale }: Builder, at: WeightLookup, x: Video): Video {
  const layer = at.linear('time_conv')
  const [, channels = 0, times = 1] = layer.weight.shape
  const { before, keep } = stream.remember(channels, times - 1, scale)
  const [doubled, last] = g.branch(
    stream.isFirst,
    () => [x, before],
    () => {
      const seen = joinFrames(g, before, x)
      return [interleaveHalves(g, conv3d(g, seen, layer)), framesOf(g, seen, 1 - times)]
    },
  ) as [Video, Video]
  keep(last)
  return doubled
}

/** One value a channel, [1, C, 1, 1, 1]. */
const channelwise = (g: Graph, values: readonly number[]): Value => g.constant(values, [1, values.length, 1, 1, 1])

/** pixels [F, H, W, 3] in 0..1 -> the posterior's mean as `latent` [1, C, f, h, w], in the sampler's scale, and its `logvar`. */
export function wanEncoder(c: WanVaeConfig, weights: WeightLookup): StreamModel {
  const g = new Graph()
  const stream = new StreamGraph(g)
  const at = weights.in('encoder')
  const pixels = g.input('pixels', ['F', 'H', 'W', 3])
  const video = g.op('Unsqueeze', [g.op('Transpose', [pixels], { perm: [3, 0, 1, 2] }), g.ints([0])])
  const centred = g.op('Sub', [g.op('Mul', [video, g.constant([2])]), g.constant([1])])
  let b: Builder = { g, stream, scale: 1 }
  let x = stream.conv(centred, at.linear('conv_in'), 1, { pads: SAME })
  let index = 0
  for (const level of c.encoderWidths.keys()) {
    for (let layer = 0; layer < c.layersPerBlock; layer++) x = resnet(b, at.in(`down_blocks.${index++}`), x)
    if (level === c.halvesTime.length) break
    const down = at.in(`down_blocks.${index++}`)
    // The published model pads below and to the right only before it halves the size.
    x = conv3d(g, x, down.linear('resample.1'), { pads: [0, 0, 1, 1], stride: 2 })
    b = { ...b, scale: b.scale / 2 }
    if (c.halvesTime[level]) x = halveFrames(b, down, x)
  }
  x = middle(b, at.in('mid_block'), x)
  x = stream.conv(silu(g, norm(g, x, at.at('norm_out.gamma'))), at.linear('conv_out'), b.scale, { pads: SAME })
  const moments = split(g, conv3d(g, x, weights.linear('quant_conv')), [c.latentChannels, c.latentChannels], 1)
  const [mean, logvar] = moments as [Value, Value]
  const dims = [1, c.latentChannels, 'f', 'h', 'w']
  const scaled = g.op('Div', [g.op('Sub', [mean, channelwise(g, c.mean)]), channelwise(g, c.deviation)])
  g.output('latent', scaled, dims)
  g.output('logvar', logvar, dims)
  return { model: g.build(), memories: stream.memories }
}

/** latent [1, C, F, h, w] in the sampler's scale -> pixels [frames, H, W, 3], clamped to 0..1. */
export function wanDecoder(c: WanVaeConfig, weights: WeightLookup): StreamModel {
  const g = new Graph()
  const stream = new StreamGraph(g)
  const at = weights.in('decoder')
  const latent = g.input('latent', [1, c.latentChannels, 'F', 'h', 'w'])
  const raw = g.op('Add', [g.op('Mul', [latent, channelwise(g, c.deviation)]), channelwise(g, c.mean)])
  let b: Builder = { g, stream, scale: 1 }
  let x = conv3d(g, raw, weights.linear('post_quant_conv'))
  x = middle(b, at.in('mid_block'), stream.conv(x, at.linear('conv_in'), 1, { pads: SAME }))
  for (const level of c.decoderWidths.keys()) {
    const block = at.in(`up_blocks.${level}`)
    for (let layer = 0; layer <= c.layersPerBlock; layer++) x = resnet(b, block.in(`resnets.${layer}`), x)
    if (level === c.halvesTime.length) break
    const up = block.in('upsamplers.0')
    if (c.halvesTime.at(-1 - level)) x = doubleFrames(b, up, x)
    x = conv3d(g, enlarge(g, x, 2), up.linear('resample.1'), { pads: SAME })
    b = { ...b, scale: 2 * b.scale }
  }
  x = stream.conv(silu(g, norm(g, x, at.at('norm_out.gamma'))), at.linear('conv_out'), b.scale, { pads: SAME })
  const unit = g.op('Add', [g.op('Mul', [x, g.constant([0.5])]), g.constant([0.5])])
  const frames = g.op('Transpose', [g.op('Squeeze', [unit, g.ints([0])])], { perm: [1, 2, 3, 0] })
  g.output('pixels', g.op('Clip', [frames, g.constant([0], []), g.constant([1], [])]), ['F', 'H', 'W', 3])
  return { model: g.build(), memories: stream.memories }
}
