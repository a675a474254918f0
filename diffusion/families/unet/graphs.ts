/** The parts of a U-Net as graphs (Ronneberger et al. 2015 in the form of Rombach et al. 2022, appendix E): embed, any range of units, head. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { silu } from '../../onnx/ops.ts'
import { apply, cellsToTokens, embedMlp } from '../shared/layers.ts'
import { around, conv, norm, runUnit, tokensToCells, type Builder, type UnetParts } from './layers.ts'
import { skipName, skipsAt, type Chain } from './units.ts'

/** pooled [1, P] and features of the sizes [1, count each] -> added [1, timeWidth]: what SDXL adds to the time embedding. */
export function addedGraph({ config: { sizes, timeWidth }, weights }: UnetParts): Model {
  const g = new Graph()
  const both = g.op('Concat', [g.input('pooled', [1, 'P']), g.input('sizes', [1, 'S'])], { axis: 1 })
  if (!sizes) throw new Error('U-Net: this model takes no sizes')
  g.output('added', embedMlp(g, weights, 'add_embedding', both), [1, timeWidth])
  return g.build()
}

/** The time embedding [B, timeWidth] of features [B, width], with those of the guidance where the model takes them. */
function timeEmbedding(g: Graph, { config: c, weights }: UnetParts, width: number): Value {
  let features = g.input('features', ['B', width])
  if (c.guidanceWidth !== null) {
    const guidance = g.input('guidance', ['B', c.guidanceWidth])
    features = g.op('Add', [features, apply(g, weights, 'time_embedding.cond_proj', guidance, 2)])
  }
  return embedMlp(g, weights, 'time_embedding', features)
}

/** latent [B, C, H, W], features of the time [B, width], added -> image [B, H W, width], skip.0, temb [B, timeWidth], and time where something is added. */
export function embedGraph(parts: UnetParts): Model {
  const { config: c } = parts
  const g = new Graph()
  const width = c.levels[0]?.width ?? 0
  const latent = g.input('latent', ['B', c.channels, 'H', 'W'])
  const stretched = c.centred ? g.op('Sub', [g.op('Mul', [latent, g.constant([2])]), g.constant([1])]) : latent
  const cells = conv(g, parts, 'conv_in', stretched, around(c.kernels[0]))
  g.output('image', cellsToTokens(g, cells, width), ['B', 'T', width])
  g.output(skipName(0), cells, ['B', width, 'H', 'W'])
  const time = timeEmbedding(g, parts, width)
  if (c.sizes) g.output('time', time, ['B', c.timeWidth])
  const temb = c.sizes ? g.op('Add', [time, g.input('added', ['B', c.timeWidth])]) : time
  g.output('temb', temb, ['B', c.timeWidth])
  return g.build()
}

/** A graph over units [from, to): inputs are made when a unit asks for them, skip tensors are those made inside or an input. */
function builderOf(g: Graph, parts: UnetParts, { skipWidths }: Chain, made: ReadonlyMap<number, Value>): Builder {
  const { textWidth, timeWidth } = parts.config
  const input = (name: string, dims: readonly (number | string)[]): Value =>
    g.once(`input ${name}`, () => g.input(name, dims))
  return {
    ...{ ...parts, g },
    active: () => g.once('active', () => silu(g, input('temb', ['B', timeWidth]))),
    context: () => input('context', ['B', 'L', textWidth]),
    skip: (index) => made.get(index) ?? input(skipName(index), ['B', skipWidths[index] ?? 0, `H${index}`, `W${index}`]),
  }
}

/**
 * Units [from, to): image [B, cells, width] and, as far as the units need them, temb, context [B, L, textWidth] and skip tensors ->
 * image, and the skip tensors made here that are still alive at `to`.
 */
export function blocksGraph(parts: UnetParts, chain: Chain, from: number, to: number): Model {
  const g = new Graph()
  const [wide, out] = [chain.widths[from] ?? 0, chain.widths[to] ?? 0]
  const made = new Map<number, Value>()
  const b = builderOf(g, parts, chain, made)
  const before = skipsAt(chain, from)
  let x = tokensToCells(g, g.input('image', ['B', 'T in', wide]), wide, b.skip(before - 1))
  for (let i = from; i < to; i++) {
    x = runUnit(b, chain.units[i]!, x)
    // On the way down what a unit gives is saved; the middle and the way up add nothing.
    if (i + 1 < chain.skipWidths.length) made.set(i + 1, x)
  }
  g.output('image', cellsToTokens(g, x, out), ['B', 'T out', out])
  for (let i = before; i < skipsAt(chain, to); i++)
    g.output(skipName(i), b.skip(i), ['B', chain.skipWidths[i] ?? 0, `H${i} out`, `W${i} out`])
  return g.build()
}

/** image [B, H W, width] and the shape [0, width, H, W] -> prediction [B, C, H, W]. */
export function headGraph(parts: UnetParts): Model {
  const { config: c } = parts
  const g = new Graph()
  const width = c.levels[0]?.width ?? 0
  const tokens = g.op('Transpose', [g.input('image', ['B', 'T', width])], { perm: [0, 2, 1] })
  const cells = g.op('Reshape', [tokens, g.input('grid', [4], 'i64')])
  const active = silu(g, norm(g, parts, 'conv_norm_out', cells, c.epsilon))
  g.output('prediction', conv(g, parts, 'conv_out', active, around(c.kernels[1])), ['B', c.outChannels, 'H', 'W'])
  return g.build()
}
