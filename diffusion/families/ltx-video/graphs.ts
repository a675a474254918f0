/** An LTX-Video transformer as graphs: text, embed, any range of blocks, the modulated input, head (HaCohen et al. 2024, section 2.3). */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, geluTanh, rmsNorm, silu } from '../../onnx/ops.ts'
import { tableHead } from '../shared/heads.ts'
import { apply, at, embedMlp, gated, pieces, type Modulation, type NamedWeights } from '../shared/layers.ts'
import { forBatch } from '../shared/rotary.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import type { LtxConfig } from './config.ts'

/** Of the norms of queries and keys. */
const ATTENTION_EPSILON = 1e-5
/** Of the norm before the head. */
const HEAD_EPSILON = 1e-6

/** What the builders need to know of a model. */
export interface LtxParts {
  readonly config: LtxConfig
  /** By the names of `ltxShapes`. */
  readonly weights: NamedWeights
}

/** tokens [B, L, textWidth] -> context [B, L, width]. */
export function textGraph({ config: c, weights }: LtxParts): Model {
  const g = new Graph()
  const tokens = g.input('tokens', ['B', 'L', c.textWidth])
  const inner = geluTanh(g, apply(g, weights, 'caption_projection.linear_1', tokens))
  g.output('context', apply(g, weights, 'caption_projection.linear_2', inner), ['B', 'L', c.width])
  return g.build()
}

/** latent [B, C, F h w], time features -> image [B, F h w, width], temb [B, width], mods [B, 6 width]. */
export function embedGraph({ config: c, weights }: LtxParts): Model {
  const g = new Graph()
  const tokens = g.op('Transpose', [g.input('latent', ['B', c.channels, 'T'])], { perm: [0, 2, 1] })
  const temb = embedMlp(g, weights, 'time_embed.emb.timestep_embedder', g.input('time', ['B', TIME_CHANNELS]))
  g.output('image', apply(g, weights, 'proj_in', tokens), ['B', 'T', c.width])
  g.output('temb', temb, ['B', c.width])
  g.output('mods', apply(g, weights, 'time_embed.linear', silu(g, temb), 2), ['B', 6 * c.width])
  return g.build()
}

interface Builder extends LtxParts {
  readonly g: Graph
  readonly mods: Value
  readonly context: Value
  /** [B, T, width / 2]: positions turn all heads as one. */
  readonly cos: Value
  readonly sin: Value
}

/** (1 + scale) RMS norm(x) + shift. */
function normedBy(g: Graph, { config: c, weights }: LtxParts, name: string, x: Value, { shift, scale }: Modulation) {
  const own = weights.get(`${name}.weight`)
  const ones = g.constant(new Array<number>(c.width).fill(1))
  const normed = g.op('RMSNormalization', [x, own ? g.weight(own) : ones], { axis: -1, epsilon: c.epsilon })
  return g.op('Add', [g.op('Mul', [normed, g.op('Add', [scale, g.constant([1])])]), shift])
}

/** Queries and keys are normed over all heads together, and turned where the tokens have places. */
function attend(b: Builder, attn: string, x: Value, to: Value, isPlaced: boolean): Value {
  const { g, weights, config, cos, sin } = b
  const normed = (name: string, from: Value): Value => {
    const norm = at(weights, `${attn}.norm_${name}.weight`)
    const value = rmsNorm(g, apply(g, weights, `${attn}.to_${name}`, from), norm, ATTENTION_EPSILON)
    return isPlaced ? g.op('RotaryEmbedding', [value, cos, sin], { interleaved: 1, num_heads: 1 }) : value
  }
  const values = apply(g, weights, `${attn}.to_v`, to)
  const seen = attention(g, normed('q', x), normed('k', to), values, { heads: config.heads })
  return apply(g, weights, `${attn}.to_out.0`, seen)
}

/** The six modulations of a block: what all blocks share plus a table of its own. */
function blockModulation(g: Graph, { weights, config }: LtxParts, index: number, mods: Value): readonly Value[] {
  const table = at(weights, `transformer_blocks.${index}.scale_shift_table`)
  const sum = g.op('Add', [mods, g.weight({ ...table, shape: [6 * config.width] })])
  return pieces(g, sum, 6, config.width)
}

function ltxBlock(b: Builder, index: number, x: Value): Value {
  const { g, weights, context } = b
  const block = `transformer_blocks.${index}`
  const [shift, scale, gate, innerShift, innerScale, innerGate] = blockModulation(g, b, index, b.mods)
  const own = normedBy(g, b, `${block}.norm1`, x, { shift: shift!, scale: scale! })
  const image = gated(g, x, gate!, attend(b, `${block}.attn1`, own, own, true))
  const crossed = g.op('Add', [image, attend(b, `${block}.attn2`, image, context, false)])
  const inner = normedBy(g, b, `${block}.norm2`, crossed, { shift: innerShift!, scale: innerScale! })
  const active = geluTanh(g, apply(g, weights, `${block}.ff.net.0.proj`, inner))
  return gated(g, crossed, innerGate!, apply(g, weights, `${block}.ff.net.2`, active))
}

/** Blocks [from, to): image [B, T, width], context [B, L, width], mods [B, 6 width], rotary tables [T, width / 2] -> image. */
export function blocksGraph(parts: LtxParts, from: number, to: number): Model {
  const { width } = parts.config
  const g = new Graph()
  let image = g.input('image', ['B', 'T', width])
  const [context, mods] = [g.input('context', ['B', 'L', width]), g.input('mods', ['B', 6 * width])]
  const table = (name: string): Value => forBatch(g, g.input(name, ['T', width / 2]), mods)
  const builder: Builder = { ...parts, g, mods, context, cos: table('cos'), sin: table('sin') }
  for (let i = from; i < to; i++) image = ltxBlock(builder, i, image)
  g.output('image', image, ['B', 'T', width])
  return g.build()
}

/** image, mods -> modulated [B, T, width]: what the first block's attention takes. */
export function modulatedGraph(parts: LtxParts): Model {
  const { width } = parts.config
  const g = new Graph()
  const image = g.input('image', ['B', 'T', width])
  const [shift, scale] = blockModulation(g, parts, 0, g.input('mods', ['B', 6 * width]))
  const normed = normedBy(g, parts, 'transformer_blocks.0.norm1', image, { shift: shift!, scale: scale! })
  g.output('modulated', normed, ['B', 'T', width])
  return g.build()
}

/** image, temb -> prediction [B, C, F h w]. */
export function headGraph({ config: c, weights }: LtxParts): Model {
  const g = new Graph()
  const tokens = tableHead(g, weights, { width: c.width, epsilon: HEAD_EPSILON })
  g.output('prediction', g.op('Transpose', [tokens], { perm: [0, 2, 1] }), ['B', c.channels, 'T'])
  return g.build()
}
