/** Any range of blocks of a FLUX transformer as a graph, whose modules may also be answered from outside. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { geluTanh, silu, split } from '../../onnx/ops.ts'
import {
  doubleBlock,
  joined,
  lengthsOf,
  singleBlock,
  type DoubleSide,
  type JointBuilder,
  type Modulators,
  type Stream,
} from '../shared/joint-blocks.ts'
import { runAll, type Projection, type Route } from '../shared/sites.ts'
import { feedForward } from '../shared/layers.ts'
import { EPSILON, type FluxParts } from './layers.ts'
import { modsInput, modulationsOf, modulationStart, modulationVectors, type ModulationSource } from './modulation.ts'

/** How a graph over blocks is built. */
export interface BlocksStyle {
  readonly projection: Projection
  readonly modulation: ModulationSource
}

/** Shifts, scales (with 1 added) and gates of a block, each [B, 1, width]: of a double block the image's six, then the text's. */
type ModulationOf = (block: number) => readonly Value[]

const three = (m: readonly Value[], from: number): Modulators => [m[from]!, m[from + 1]!, m[from + 2]!]

function double(b: JointBuilder, parts: FluxParts, index: number, x: Stream, made: readonly Value[]): Stream {
  const { g } = b
  const name = `transformer_blocks.${index}`
  const side = (ff: string, from: number): DoubleSide => ({
    attention: three(made, from),
    mlp: three(made, from + 3),
    feedForward: (value) =>
      feedForward(g, parts.weights, [`${name}.${ff}.net.0.proj`, `${name}.${ff}.net.2`], (x) => geluTanh(g, x), value),
  })
  return doubleBlock(b, { index, name }, x, side('ff', 0), side('ff_context', 6))
}

/** See `Shared.modulation`. */
function modulationOf(
  g: Graph,
  parts: FluxParts,
  [from, to]: readonly [number, number],
  source: ModulationSource,
): ModulationOf {
  const { config } = parts
  const places = (block: number) => modulationStart(config, block)
  if (source === 'mods') {
    const all = modsInput(g, config, places(from), places(to) - places(from))
    return (block) => all.slice(places(block) - places(from), places(block + 1) - places(from))
  }
  const active = silu(g, g.input('temb', ['B', config.width]))
  return (block) =>
    modulationsOf(config, block).flatMap((one) =>
      split(g, modulationVectors(g, parts, one, active), new Array<number>(one.count).fill(1), 1),
    )
}

/** Rotary tables [S, half a head] of the whole sequence, for every row of the batch. */
function tables(g: Graph, { config }: FluxParts, x: Stream): Pick<JointBuilder, 'cos' | 'sin'> {
  const batch = g.op('Shape', [x.image], { start: 0, end: 1 })
  const table = (name: string): Value => {
    const values = g.input(name, ['S', config.headSize / 2])
    return g.op('Expand', [values, g.op('Concat', [batch, g.op('Shape', [values])], { axis: 0 })])
  }
  return { cos: table('cos'), sin: table('sin') }
}

/**
 * Blocks [from, to), double blocks first: image, text, mods or temb, cos, sin -> image, text. `routes` may add inputs and outputs of its own
 * and decide how each module is answered; then the projection has to be 'apart'.
 */
export function blocksGraph(
  parts: FluxParts,
  [from, to]: readonly [number, number],
  { projection, modulation }: BlocksStyle,
  routes: (g: Graph, lengths: Value) => Route = () => runAll,
): Model {
  const { width, heads, doubleBlocks } = parts.config
  const g = new Graph()
  let stream: Stream = { image: g.input('image', ['B', 'T', width]), text: g.input('text', ['B', 'L', width]) }
  const turning = tables(g, parts, stream)
  const lengths = lengthsOf(g, stream)
  const made = modulationOf(g, parts, [from, to], modulation)
  const route = routes(g, lengths)
  const sizes = { weights: parts.weights, heads, width, epsilon: EPSILON }
  const builder: JointBuilder = { g, ...sizes, ...turning, lengths, route, projection }
  for (let i = from; i < Math.min(to, doubleBlocks); i++) stream = double(builder, parts, i, stream, made(i))
  if (to > doubleBlocks)
    stream = joined(builder, stream, (tokens) => {
      let x = tokens
      for (let index = Math.max(from, doubleBlocks); index < to; index++) {
        const place = { index, name: `single_transformer_blocks.${index - doubleBlocks}` }
        x = singleBlock(builder, place, x, three(made(index), 0), (value) => geluTanh(g, value))
      }
      return x
    })
  g.output('image', stream.image, ['B', 'T', width])
  g.output('text', stream.text, ['B', 'L', width])
  return g.build()
}
