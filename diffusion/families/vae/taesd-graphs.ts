/** Encoder and decoder of TAESD (Ollin Boer Bohan, "Tiny AutoEncoder for Stable Diffusion") as graphs, layer by layer as its keys tell. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { conv2d, upsampleNearest, type Linear } from '../../onnx/ops.ts'
import type { Weights } from '../../onnx/weights.ts'
import type { VaeGraphOptions } from './graphs.ts'

type Tensors = Weights['tensors']

/** One side of the autoencoder: weights by `layers.<index>...`, and how its latents are scaled for the sampler: raw * scale. */
export interface TaesdSide {
  readonly tensors: Tensors
  readonly prefix: 'encoder.layers' | 'decoder.layers'
  readonly scale: number
}

/** Latents are squashed to -3..3 before they are decoded. */
const MAGNITUDE = 3

function at({ tensors, prefix }: TaesdSide, name: string): Linear {
  const weight = tensors.get(`${prefix}.${name}.weight`)
  if (!weight) throw new Error(`no tensor '${prefix}.${name}.weight'`)
  return { weight, bias: tensors.get(`${prefix}.${name}.bias`) ?? null }
}

const has = ({ tensors, prefix }: TaesdSide, name: string): boolean => tensors.has(`${prefix}.${name}.weight`)

/** Convolution that keeps the size, or halves it. */
function conv(g: Graph, x: Value, layer: Linear, stride = 1): Value {
  const pad = ((layer.weight.shape[2] ?? 1) - 1) >> 1
  return conv2d(g, x, layer, [pad, pad, pad, pad], stride)
}

const relu = (g: Graph, x: Value): Value => g.op('Relu', [x])

/** Three convolutions around which the input goes unchanged, or through one of its own where the width changes. */
function block(g: Graph, side: TaesdSide, index: number, x: Value): Value {
  const [first, second, third] = [0, 2, 4].map((i) => at(side, `${index}.conv.${i}`)) as [Linear, Linear, Linear]
  const inner = conv(g, relu(g, conv(g, relu(g, conv(g, x, first)), second)), third)
  const around = has(side, `${index}.skip`) ? conv(g, x, at(side, `${index}.skip`)) : x
  return relu(g, g.op('Add', [inner, around]))
}

/** Number of the last layer with weights. */
export const lastLayer = ({ tensors, prefix }: Pick<TaesdSide, 'tensors' | 'prefix'>): number =>
  Math.max(...[...tensors.keys()].map((key) => Number(new RegExp(`^${prefix}\\.(\\d+)\\.`).exec(key)?.[1] ?? -1)))

/** Convolutions between the first and the last: on the way to the latent each halves the sides, on the way back each follows a doubling. */
export const halvings = (side: Pick<TaesdSide, 'tensors' | 'prefix'>): number =>
  Array.from({ length: Math.max(0, lastLayer(side) - 1) }, (_, i) => i + 1).filter((i) =>
    side.tensors.has(`${side.prefix}.${i}.weight`),
  ).length

/** All layers; those without weights are the activation after the first and the doublings. */
function layers(g: Graph, side: TaesdSide, start: Value, { taps }: VaeGraphOptions): Value {
  const last = lastLayer(side)
  let x = start
  for (let i = 0; i <= last; i++) {
    const halves = side.prefix === 'encoder.layers' && i > 0 && i < last
    if (has(side, `${i}.conv.0`)) x = block(g, side, i, x)
    else if (has(side, String(i))) x = conv(g, x, at(side, String(i)), halves ? 2 : 1)
    else x = i === 1 ? relu(g, x) : upsampleNearest(g, x)
    const name = `${side.prefix}.${i}`
    if (taps)
      g.output(
        `hidden.${name}`,
        x,
        ['B', 'C', 'H', 'W'].map((axis) => `${name} ${axis}`),
      )
  }
  return x
}

/** pixels [B, H, W, 3] in 0..1 -> latent [B, C, H / f, W / f] in the sampler's scale. */
export function taesdEncoderGraph(side: TaesdSide, options: VaeGraphOptions = {}): Model {
  const g = new Graph()
  const pixels = g.op('Transpose', [g.input('pixels', ['B', 'H', 'W', 3])], { perm: [0, 3, 1, 2] })
  const raw = layers(g, side, pixels, options)
  g.output('latent', g.op('Mul', [raw, g.constant([side.scale])]), ['B', 'C', 'h', 'w'])
  return g.build()
}

/** latent [B, C, h, w] in the sampler's scale -> pixels [B, h f, w f, 3], clamped to 0..1. */
export function taesdDecoderGraph(side: TaesdSide, options: VaeGraphOptions = {}): Model {
  const g = new Graph()
  const channels = at(side, '0').weight.shape[1] ?? 0
  const scaled = g.op('Mul', [g.input('latent', ['B', channels, 'h', 'w']), g.constant([1 / (side.scale * MAGNITUDE)])])
  const squashed = g.op('Mul', [g.op('Tanh', [scaled]), g.constant([MAGNITUDE])])
  const rows = g.op('Transpose', [layers(g, side, squashed, options)], { perm: [0, 2, 3, 1] })
  if (options.taps) g.output('unclamped', rows, ['B', 'H', 'W', 3])
  g.output('pixels', g.op('Clip', [rows, g.constant([0], []), g.constant([1], [])]), ['B', 'H', 'W', 3])
  return g.build()
}
