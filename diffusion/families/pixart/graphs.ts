/** A PixArt transformer as graphs: text, embed, any range of blocks, the modulated input, head (Chen et al. 2023, figure 4). */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, geluTanh, silu } from '../../onnx/ops.ts'
import { outputPredictions, tableHead } from '../shared/heads.ts'
import {
  apply,
  at,
  cellsToTokens,
  embedMlp,
  gated,
  modulated,
  patchCells,
  pieces,
  tokensToLatent,
  type NamedWeights,
} from '../shared/layers.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import type { PixArtConfig } from './config.ts'

/** Of the norm before the head, whatever that of the blocks is. */
const HEAD_EPSILON = 1e-6

/** What the builders need to know of a model. */
export interface PixArtParts {
  readonly config: PixArtConfig
  /** By the names of `pixartShapes`. */
  readonly weights: NamedWeights
}

const COMBINED = 'adaln_single.emb'

/** tokens [1, L, textWidth] -> context [1, L, width]; features of height and width [2, 256] and of their ratio [1, 256] -> sizes [1, width]. */
export function textGraph({ config: c, weights }: PixArtParts): Model {
  const g = new Graph()
  const tokens = g.input('tokens', ['B', 'L', c.textWidth])
  const inner = geluTanh(g, apply(g, weights, 'caption_projection.linear_1', tokens))
  g.output('context', apply(g, weights, 'caption_projection.linear_2', inner), ['B', 'L', c.width])
  if (c.sized) {
    const [resolution, ratio] = ['resolution', 'aspect_ratio'].map((name) => {
      const made = embedMlp(g, weights, `${COMBINED}.${name}_embedder`, g.input(name, [name, TIME_CHANNELS]))
      return g.op('Reshape', [made, g.ints([1, -1])])
    })
    g.output('sizes', g.op('Concat', [resolution!, ratio!], { axis: 1 }), [1, c.width])
  }
  return g.build()
}

/** latent [B, C, H, W], positions [T, width], time features, sizes -> image [B, T, width], temb [B, width], mods [B, 6 width]. */
export function embedGraph({ config: c, weights }: PixArtParts): Model {
  const g = new Graph()
  const cells = patchCells(g, weights, 'pos_embed.proj', g.input('latent', ['B', c.channels, 'H', 'W']), c.patch)
  const image = g.op('Add', [cellsToTokens(g, cells, c.width), g.input('positions', ['T', c.width])])
  const time = embedMlp(g, weights, `${COMBINED}.timestep_embedder`, g.input('time', ['B', TIME_CHANNELS]))
  const temb = c.sized ? g.op('Add', [time, g.input('sizes', ['B', c.width])]) : time
  g.output('image', image, ['B', 'T', c.width])
  g.output('temb', temb, ['B', c.width])
  g.output('mods', apply(g, weights, 'adaln_single.linear', silu(g, temb), 2), ['B', 6 * c.width])
  return g.build()
}

interface Builder extends PixArtParts {
  readonly g: Graph
  readonly mods: Value
  readonly context: Value
  /** Added to the scores of the cross-attention, [B, 1, T, L]. */
  readonly bias: Value
}

function attend({ g, weights, config }: Builder, attn: string, x: Value, to: Value, bias?: Value): Value {
  const [q, k, v] = [x, to, to].map((from, i) => apply(g, weights, `${attn}.${['to_q', 'to_k', 'to_v'][i]!}`, from))
  const seen = attention(g, q!, k!, v!, { heads: config.heads, ...(bias ? { bias } : {}) })
  return apply(g, weights, `${attn}.to_out.0`, seen)
}

/** The six modulations of a block: what all blocks share plus a table of its own. */
function blockModulation(g: Graph, { weights, config }: PixArtParts, block: string, mods: Value): readonly Value[] {
  const table = g.weight({ ...at(weights, `${block}.scale_shift_table`), shape: [6 * config.width] })
  return pieces(g, g.op('Add', [mods, table]), 6, config.width)
}

function pixartBlock(b: Builder, index: number, x: Value): Value {
  const { g, weights, config, context, bias } = b
  const block = `transformer_blocks.${index}`
  const mods = blockModulation(g, b, block, b.mods)
  const normed = (value: Value, place: number): Value =>
    modulated(g, value, config.width, { shift: mods[place]!, scale: mods[place + 1]! }, config.epsilon)
  const own = normed(x, 0)
  const image = gated(g, x, mods[2]!, attend(b, `${block}.attn1`, own, own))
  const crossed = g.op('Add', [image, attend(b, `${block}.attn2`, image, context, bias)])
  const inner = geluTanh(g, apply(g, weights, `${block}.ff.net.0.proj`, normed(crossed, 3)))
  return gated(g, crossed, mods[5]!, apply(g, weights, `${block}.ff.net.2`, inner))
}

/** Blocks [from, to): image, mods, context [B, L, width], bias [B, L] (0, or a large negative number for padding) -> image. */
export function blocksGraph(parts: PixArtParts, from: number, to: number): Model {
  const { width } = parts.config
  const g = new Graph()
  let image = g.input('image', ['B', 'T', width])
  const context = g.input('context', ['B', 'L', width])
  const flat = g.op('Unsqueeze', [g.input('bias', ['B', 'L']), g.ints([1, 2])])
  const tokens = g.op('Shape', [image], { start: 1, end: 2 })
  const bias = g.op('Expand', [flat, g.op('Concat', [g.ints([1, 1]), tokens, g.ints([1])], { axis: 0 })])
  const builder: Builder = { ...parts, g, mods: g.input('mods', ['B', 6 * width]), context, bias }
  for (let i = from; i < to; i++) image = pixartBlock(builder, i, image)
  g.output('image', image, ['B', 'T', width])
  return g.build()
}

/** image, mods -> modulated [B, T, width]: what the first block's self-attention takes. */
export function modulatedGraph(parts: PixArtParts): Model {
  const { width, epsilon } = parts.config
  const g = new Graph()
  const image = g.input('image', ['B', 'T', width])
  const mods = blockModulation(g, parts, 'transformer_blocks.0', g.input('mods', ['B', 6 * width]))
  g.output('modulated', modulated(g, image, width, { shift: mods[0]!, scale: mods[1]! }, epsilon), ['B', 'T', width])
  return g.build()
}

/** image, temb and the shape [0, h, w, p, p, outChannels] -> prediction and, where it is learned, variance [B, C, h, p, w, p]. */
export function headGraph({ config: c, weights }: PixArtParts): Model {
  const g = new Graph()
  const tokens = tableHead(g, weights, { width: c.width, epsilon: HEAD_EPSILON })
  outputPredictions(g, tokensToLatent(g, tokens, g.input('grid', [6], 'i64')), c)
  return g.build()
}
