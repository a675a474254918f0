/** A Z-Image transformer as graphs: text with its refiner, embed with that of the image, any range of layers, the modulated input, head. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, plainLayerNorm, rmsNorm, silu } from '../../onnx/ops.ts'
import { apply, at, normedHeads, pieces, tokensToLatent, type NamedWeights } from '../shared/layers.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import type { ZImageConfig } from './config.ts'

/** Of the norms of queries and keys, and of the norm before the head, whatever that of the blocks is. */
const HEAD_NORM_EPSILON = 1e-5
const LAST_EPSILON = 1e-6

/** What the builders need to know of a model. */
export interface ZImageParts {
  readonly config: ZImageConfig
  /** By the names of `zImageShapes`. */
  readonly weights: NamedWeights
}

interface Builder extends ZImageParts {
  readonly g: Graph
  /** Rotary tables of all tokens [B, S, half a head]. */
  readonly cos: Value
  readonly sin: Value
  /** Time embedding [B, timeWidth]; null where the blocks do not know the time. */
  readonly time: Value | null
}

const one = (g: Graph, scale: Value): Value => g.op('Add', [scale, g.constant([1])])

function attend({ g, weights, config: c, cos, sin }: Builder, block: string, x: Value): Value {
  const turned = (name: string): Value => {
    const value = apply(g, weights, `${block}.attention.to_${name}`, x)
    const norm = at(weights, `${block}.attention.norm_${name}.weight`)
    const normed = normedHeads(g, value, norm, c.heads, HEAD_NORM_EPSILON)
    return g.op('RotaryEmbedding', [normed, cos, sin], { interleaved: 1, num_heads: c.heads })
  }
  const values = apply(g, weights, `${block}.attention.to_v`, x)
  return apply(
    g,
    weights,
    `${block}.attention.to_out.0`,
    attention(g, turned('q'), turned('k'), values, { heads: c.heads }),
  )
}

/** Scale and gate of the attention and of the MLP. */
function modulation({ g, weights, config }: Pick<Builder, 'g' | 'weights' | 'config'>, block: string, time: Value) {
  const [scale, gate, innerScale, innerGate] = pieces(
    g,
    apply(g, weights, `${block}.adaLN_modulation.0`, time, 2),
    4,
    config.width,
  )
  return {
    attention: { scale: one(g, scale!), gate: g.op('Tanh', [gate!]) },
    mlp: { scale: one(g, innerScale!), gate: g.op('Tanh', [innerGate!]) },
  }
}

/** Norms before and after attention and MLP; those before are scaled and those after gated where the block knows the time. */
function block(b: Builder, name: string, x: Value): Value {
  const { g, weights, config: c, time } = b
  const mods = time && modulation(b, name, time)
  const norm = (which: string, value: Value): Value =>
    rmsNorm(g, value, at(weights, `${name}.${which}.weight`), c.epsilon)
  const times = (value: Value, factor: Value | undefined): Value => (factor ? g.op('Mul', [value, factor]) : value)
  const seen = attend(b, name, times(norm('attention_norm1', x), mods?.attention.scale))
  const attended = g.op('Add', [x, times(norm('attention_norm2', seen), mods?.attention.gate)])
  const inner = times(norm('ffn_norm1', attended), mods?.mlp.scale)
  const layer = (which: string, value: Value): Value => apply(g, weights, `${name}.feed_forward.${which}`, value)
  const active = g.op('Mul', [silu(g, layer('w1', inner)), layer('w3', inner)])
  return g.op('Add', [attended, times(norm('ffn_norm2', layer('w2', active)), mods?.mlp.gate)])
}

/** Tokens [B, T, width] and as many copies of the stored token `pad` as make them as long as `tables` [B, S, ..]. */
function filled(g: Graph, { weights, config }: ZImageParts, pad: string, tokens: Value, tables: Value): Value {
  const extent = (value: Value, axis: number): Value => g.op('Shape', [value], { start: axis, end: axis + 1 })
  const missing = g.op('Sub', [extent(tables, 1), extent(tokens, 1)])
  const shape = g.op('Concat', [extent(tokens, 0), missing, g.ints([config.width])], { axis: 0 })
  return g.op('Concat', [tokens, g.op('Expand', [g.weight(at(weights, pad)), shape])], { axis: 1 })
}

/** tokens [B, L, textWidth] and rotary tables of the filled text [B, S, half a head] -> text [B, S, width]. */
export function textGraph(parts: ZImageParts): Model {
  const { config: c, weights } = parts
  const g = new Graph()
  const tokens = g.input('tokens', ['B', 'L', c.textWidth])
  const [cos, sin] = ['cos', 'sin'].map((name) => g.input(name, ['B', 'S', c.headSize / 2]))
  const normed = rmsNorm(g, tokens, at(weights, 'cap_embedder.0.weight'), c.epsilon)
  const builder: Builder = { ...parts, g, cos: cos!, sin: sin!, time: null }
  let text = filled(g, parts, 'cap_pad_token', apply(g, weights, 'cap_embedder.1', normed), cos!)
  for (let i = 0; i < c.refinerBlocks; i++) text = block(builder, `context_refiner.${i}`, text)
  g.output('text', text, ['B', 'S', c.width])
  return g.build()
}

/** patches [B, C, h, p, w, p], time features, rotary tables of the filled image -> image [B, T, width], temb [B, timeWidth]. */
export function embedGraph(parts: ZImageParts): Model {
  const { config: c, weights } = parts
  const g = new Graph()
  const patches = g.input('patches', ['B', c.channels, 'h', c.patch, 'w', c.patch])
  const rows = g.op('Reshape', [
    g.op('Transpose', [patches], { perm: [0, 2, 4, 3, 5, 1] }),
    g.ints([0, -1, c.channels * c.patch ** 2]),
  ])
  const [cos, sin] = ['image cos', 'image sin'].map((name) => g.input(name, ['B', 'T', c.headSize / 2]))
  const inner = silu(g, apply(g, weights, 't_embedder.mlp.0', g.input('time', ['B', TIME_CHANNELS]), 2))
  const time = apply(g, weights, 't_embedder.mlp.2', inner, 2)
  const builder: Builder = { ...parts, g, cos: cos!, sin: sin!, time }
  let image = filled(g, parts, 'x_pad_token', apply(g, weights, 'x_embedder', rows), cos!)
  for (let i = 0; i < c.refinerBlocks; i++) image = block(builder, `noise_refiner.${i}`, image)
  g.output('image', image, ['B', 'T', c.width])
  g.output('temb', time, ['B', c.timeWidth])
  return g.build()
}

/** Layers [from, to): image [B, T, width], text [B, S, width], temb, rotary tables of both -> image, text. */
export function blocksGraph(parts: ZImageParts, from: number, to: number): Model {
  const { config: c } = parts
  const g = new Graph()
  const [image, text] = [g.input('image', ['B', 'T', c.width]), g.input('text', ['B', 'S', c.width])]
  const time = g.input('temb', ['B', c.timeWidth])
  const table = (name: string): Value => {
    const tables = [`image ${name}`, `text ${name}`].map((one) => g.input(one, ['B', one, c.headSize / 2]))
    return g.op('Concat', tables, { axis: 1 })
  }
  const builder: Builder = { ...parts, g, cos: table('cos'), sin: table('sin'), time }
  let x = g.op('Concat', [image, text], { axis: 1 })
  for (let i = from; i < to; i++) x = block(builder, `layers.${i}`, x)
  const lengths = [image, text].map((value) => g.op('Shape', [value], { start: 1, end: 2 }))
  const both = g.ops('Split', [x, g.op('Concat', lengths, { axis: 0 })], { axis: 1 }, 2)
  g.output('image', both[0]!, ['B', 'T', c.width])
  g.output('text', both[1]!, ['B', 'S', c.width])
  return g.build()
}

/** image, temb -> modulated [B, T, width]: what the first layer's attention takes of the image. */
export function modulatedGraph(parts: ZImageParts): Model {
  const { config: c, weights } = parts
  const g = new Graph()
  const image = g.input('image', ['B', 'T', c.width])
  const { attention: own } = modulation({ ...parts, g }, 'layers.0', g.input('temb', ['B', c.timeWidth]))
  const normed = rmsNorm(g, image, at(weights, 'layers.0.attention_norm1.weight'), c.epsilon)
  g.output('modulated', g.op('Mul', [normed, own.scale]), ['B', 'T', c.width])
  return g.build()
}

/** image, temb, how many of its tokens are the picture's and the shape [0, h, w, p, p, C] -> prediction [B, C, h, p, w, p]: noise - clean. */
export function headGraph({ config: c, weights }: ZImageParts): Model {
  const g = new Graph()
  const image = g.input('image', ['B', 'T', c.width])
  const [count, shape] = [g.input('count', [1], 'i64'), g.input('grid', [6], 'i64')]
  const active = silu(g, g.input('temb', ['B', c.timeWidth]))
  const own = g.op('Slice', [image, g.ints([0]), count, g.ints([1])])
  const scale = one(g, apply(g, weights, 'final_layer.adaLN_modulation.1', active, 2))
  const normed = g.op('Mul', [plainLayerNorm(g, own, c.width, LAST_EPSILON), g.op('Unsqueeze', [scale, g.ints([1])])])
  const latent = tokensToLatent(g, apply(g, weights, 'final_layer.linear', normed), shape)
  // The model gives clean - noise.
  g.output('prediction', g.op('Neg', [latent]), ['B', c.channels, 'h', c.patch, 'w', c.patch])
  return g.build()
}
