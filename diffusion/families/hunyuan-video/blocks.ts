/** Any range of blocks of a HunyuanVideo transformer as a graph: double blocks, then single ones (Kong et al. 2024, figure 8). */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { geluTanh, silu } from '../../onnx/ops.ts'
import {
  doubleBlock,
  joined,
  lengthsOf,
  modulators,
  singleBlock,
  twoOf,
  type DoubleSide,
  type JointBuilder,
  type Stream,
} from '../shared/joint-blocks.ts'
import { apply, modulated, pieces, type NamedWeights } from '../shared/layers.ts'
import type { BlocksStyle, Range } from '../shared/module-blocks.ts'
import { afterUnturned } from '../shared/rotary.ts'
import type { HunyuanConfig } from './config.ts'

/** Of all norms, in all HunyuanVideo models. */
export const EPSILON = 1e-6

/** What the builders need to know of a model. */
export interface HunyuanParts {
  readonly config: HunyuanConfig
  /** By the names of `hunyuanShapes`. */
  readonly weights: NamedWeights
}

const modulation = (g: Graph, { weights, config }: HunyuanParts, name: string, active: Value, count: number) =>
  pieces(g, apply(g, weights, name, active, 2), count, config.width)

function double(b: JointBuilder, parts: HunyuanParts, active: Value, index: number, x: Stream): Stream {
  const block = `transformer_blocks.${index}`
  const side = (norm: string, ff: string): DoubleSide => {
    const [attention, mlp] = twoOf(b.g, modulation(b.g, parts, `${block}.${norm}.linear`, active, 6))
    const inner = (value: Value): Value => geluTanh(b.g, apply(b.g, b.weights, `${block}.${ff}.net.0.proj`, value))
    return { attention, mlp, feedForward: (value) => apply(b.g, b.weights, `${block}.${ff}.net.2`, inner(value)) }
  }
  return doubleBlock(b, { index, name: block }, x, side('norm1', 'ff'), side('norm1_context', 'ff_context'))
}

function single(b: JointBuilder, parts: HunyuanParts, active: Value, index: number, x: Value): Value {
  const name = `single_transformer_blocks.${index - parts.config.doubleBlocks}`
  const by = modulators(b.g, modulation(b.g, parts, `${name}.norm.linear`, active, 3))
  return singleBlock(b, { index, name }, x, by, (value) => geluTanh(b.g, value))
}

/** Blocks [from, to): image [B, T, width], text [B, L, width], temb [B, width], cos and sin of the image [T, half a head] -> image, text. */
export function blocksGraph(parts: HunyuanParts, [from, to]: Range, { projection, routes }: BlocksStyle): Model {
  const { width, heads, headSize, doubleBlocks } = parts.config
  const g = new Graph()
  let stream: Stream = { image: g.input('image', ['B', 'T', width]), text: g.input('text', ['B', 'L', width]) }
  const active = silu(g, g.input('temb', ['B', width]))
  const half = headSize / 2
  const tables = { cos: g.input('cos', ['T', half]), sin: g.input('sin', ['T', half]) }
  const lengths = lengthsOf(g, stream)
  const builder: JointBuilder = {
    ...{ g, weights: parts.weights, heads, width, epsilon: EPSILON, lengths },
    ...{ projection, route: routes(g, lengths) },
    ...afterUnturned(g, tables, stream.text, half),
  }
  for (let i = from; i < Math.min(to, doubleBlocks); i++) stream = double(builder, parts, active, i, stream)
  if (to > doubleBlocks)
    stream = joined(builder, stream, (tokens) => {
      let x = tokens
      for (let i = Math.max(from, doubleBlocks); i < to; i++) x = single(builder, parts, active, i, x)
      return x
    })
  g.output('image', stream.image, ['B', 'T', width])
  g.output('text', stream.text, ['B', 'L', width])
  return g.build()
}

/** image, temb -> modulated [B, T, width]: what the first block's joint attention takes of the image. */
export function modulatedGraph(parts: HunyuanParts): Model {
  const { width } = parts.config
  const g = new Graph()
  const image = g.input('image', ['B', 'T', width])
  const active = silu(g, g.input('temb', ['B', width]))
  const [shift, scale] = modulation(g, parts, 'transformer_blocks.0.norm1.linear', active, 6)
  g.output('modulated', modulated(g, image, width, { shift: shift!, scale: scale! }, EPSILON), ['B', 'T', width])
  return g.build()
}
