/** What lies outside the blocks of an SD3 transformer as graphs: text, embed, head. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { adaptiveHead } from '../shared/heads.ts'
import { apply, at, cellsToTokens, embedMlp, patchCells, tokensToLatent } from '../shared/layers.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { EPSILON, type Sd3Parts } from './blocks.ts'

/** What depends on the prompt only: tokens [B, L, textWidth], pooled [B, pooledWidth] -> text [B, L, width], vector [B, width]. */
export function textGraph({ config: c, weights }: Sd3Parts): Model {
  const g = new Graph()
  const text = apply(g, weights, 'context_embedder', g.input('tokens', ['B', 'L', c.textWidth]))
  const vector = embedMlp(g, weights, 'time_text_embed.text_embedder', g.input('pooled', ['B', c.pooledWidth]))
  g.output('text', text, ['B', 'L', c.width])
  g.output('vector', vector, ['B', c.width])
  return g.build()
}

/** Stored positions [1, h w, width] for cells [B, width, h, w]: cut out of the middle of the table. */
function positions(g: Graph, { config: c, weights }: Sd3Parts, cells: Value): Value {
  const table = g.weight({ ...at(weights, 'pos_embed.pos_embed'), shape: [c.positions, c.positions, c.width] })
  const sides = g.op('Shape', [cells], { start: 2, end: 4 })
  const start = g.op('Div', [g.op('Sub', [g.ints([c.positions, c.positions]), sides]), g.ints([2])])
  const middle = g.op('Slice', [table, start, g.op('Add', [start, sides]), g.ints([0, 1])])
  return g.op('Reshape', [middle, g.ints([1, -1, c.width])])
}

/** latent [B, C, H, W], time features, vector -> image [B, h w, width], temb [B, width]. */
export function embedGraph(parts: Sd3Parts): Model {
  const { config: c, weights } = parts
  const g = new Graph()
  const cells = patchCells(g, weights, 'pos_embed.proj', g.input('latent', ['B', c.channels, 'H', 'W']), c.patch)
  const image = g.op('Add', [cellsToTokens(g, cells, c.width), positions(g, parts, cells)])
  const time = embedMlp(g, weights, 'time_text_embed.timestep_embedder', g.input('time', ['B', TIME_CHANNELS]))
  g.output('image', image, ['B', 'T', c.width])
  g.output('temb', g.op('Add', [time, g.input('vector', ['B', c.width])]), ['B', c.width])
  return g.build()
}

/** image, temb and the shape [0, h, w, p, p, C] -> prediction [B, C, h, p, w, p]. */
export function headGraph({ config: c, weights }: Sd3Parts): Model {
  const g = new Graph()
  const tokens = adaptiveHead(g, weights, { width: c.width, epsilon: EPSILON })
  const latent = tokensToLatent(g, tokens, g.input('grid', [6], 'i64'))
  g.output('prediction', latent, ['B', c.outChannels, 'h', c.patch, 'w', c.patch])
  return g.build()
}
