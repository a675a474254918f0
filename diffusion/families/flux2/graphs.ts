/** A FLUX.2 transformer as graphs: text, embed with the modulations that all blocks share, any range of blocks, the modulated input, head. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { silu, split } from '../../onnx/ops.ts'
import { adaptiveHead } from '../shared/heads.ts'
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
import { apply, embedMlp, modulated, pieces, type NamedWeights } from '../shared/layers.ts'
import type { BlocksStyle, Range } from '../shared/module-blocks.ts'
import { packed, unpacked } from '../shared/packing.ts'
import { forBatch } from '../shared/rotary.ts'
import type { Flux2Config } from './config.ts'

/** What the builders need to know of a model. */
export interface Flux2Parts {
  readonly config: Flux2Config
  /** By the names of `flux2Shapes`. */
  readonly weights: NamedWeights
}

/** What depends on the prompt only: tokens [B, L, textWidth], guidance features -> text [B, L, width], vector [B, width] where there is guidance. */
export function textGraph({ config: c, weights }: Flux2Parts): Model {
  const g = new Graph()
  const text = apply(g, weights, 'context_embedder', g.input('tokens', ['B', 'L', c.textWidth]))
  g.output('text', text, ['B', 'L', c.width])
  if (c.guidance) {
    const features = g.input('guidance', ['B', c.timeChannels])
    const vector = embedMlp(g, weights, 'time_guidance_embed.guidance_embedder', features)
    g.output('vector', vector, ['B', c.width])
  }
  return g.build()
}

/** patches [B, C, h, 1, w, 1], time features, vector -> image [B, h w, width], temb [B, width], and the modulations of all blocks. */
export function embedGraph({ config: c, weights }: Flux2Parts): Model {
  const g = new Graph()
  const tokens = packed(g, g.input('patches', ['B', c.channels, 'h', 1, 'w', 1]), c.channels)
  const time = embedMlp(g, weights, 'time_guidance_embed.timestep_embedder', g.input('time', ['B', c.timeChannels]))
  const temb = c.guidance ? g.op('Add', [time, g.input('vector', ['B', c.width])]) : time
  const active = silu(g, temb)
  g.output('image', apply(g, weights, 'x_embedder', tokens), ['B', 'T', c.width])
  g.output('temb', temb, ['B', c.width])
  for (const name of ['img', 'txt']) {
    const mods = apply(g, weights, `double_stream_modulation_${name}.linear`, active, 2)
    g.output(`${name} mods`, mods, ['B', 6 * c.width])
  }
  g.output('single mods', apply(g, weights, 'single_stream_modulation.linear', active, 2), ['B', 3 * c.width])
  return g.build()
}

/** silu of the first half of the channels, times the second. */
function swiglu(g: Graph, x: Value, inner: number): Value {
  const [gate, value] = split(g, x, [inner, inner]) as [Value, Value]
  return g.op('Mul', [silu(g, gate), value])
}

function double(
  b: JointBuilder,
  { config }: Flux2Parts,
  mods: readonly (readonly Value[])[],
  index: number,
  x: Stream,
) {
  const { g, weights } = b
  const block = `transformer_blocks.${index}`
  const side = (own: readonly Value[], ff: string): DoubleSide => {
    const [attention, mlp] = twoOf(g, own)
    const inner = (value: Value): Value => swiglu(g, apply(g, weights, `${block}.${ff}.linear_in`, value), config.inner)
    return { attention, mlp, feedForward: (value) => apply(g, weights, `${block}.${ff}.linear_out`, inner(value)) }
  }
  return doubleBlock(b, { index, name: block }, x, side(mods[0]!, 'ff'), side(mods[1]!, 'ff_context'))
}

/**
 * Blocks [from, to): image [B, T, width], text [B, L, width], the modulations, rotary tables of the image [T, half a head] and of the text
 * [B, L, half a head] -> image, text.
 */
export function blocksGraph(parts: Flux2Parts, [from, to]: Range, { projection, routes }: BlocksStyle): Model {
  const { width, heads, headSize, doubleBlocks, epsilon, inner } = parts.config
  const g = new Graph()
  let stream: Stream = { image: g.input('image', ['B', 'T', width]), text: g.input('text', ['B', 'L', width]) }
  const mods = (name: string, count: number) => pieces(g, g.input(`${name} mods`, ['B', count * width]), count, width)
  const ofDouble = [mods('img', 6), mods('txt', 6)]
  const ofSingle = modulators(g, mods('single', 3))
  const half = headSize / 2
  const table = (name: 'cos' | 'sin'): Value => {
    const ofImage = forBatch(g, g.input(name, ['T', half]), stream.image)
    return g.op('Concat', [g.input(`text ${name}`, ['B', 'L', half]), ofImage], { axis: 1 })
  }
  const lengths = lengthsOf(g, stream)
  const builder: JointBuilder = {
    ...{ g, weights: parts.weights, heads, width, epsilon, lengths },
    ...{ projection, route: routes(g, lengths) },
    ...{ cos: table('cos'), sin: table('sin') },
  }
  for (let i = from; i < Math.min(to, doubleBlocks); i++) stream = double(builder, parts, ofDouble, i, stream)
  if (to > doubleBlocks)
    stream = joined(builder, stream, (tokens) => {
      let x = tokens
      for (let i = Math.max(from, doubleBlocks); i < to; i++) {
        const place = { index: i, name: `single_transformer_blocks.${i - doubleBlocks}` }
        x = singleBlock(builder, place, x, ofSingle, (value) => swiglu(g, value, inner))
      }
      return x
    })
  g.output('image', stream.image, ['B', 'T', width])
  g.output('text', stream.text, ['B', 'L', width])
  return g.build()
}

/** image, img mods -> modulated [B, T, width]: what the first block's joint attention takes of the image. */
export function modulatedGraph({ config: c }: Flux2Parts): Model {
  const g = new Graph()
  const image = g.input('image', ['B', 'T', c.width])
  const [shift, scale] = pieces(g, g.input('img mods', ['B', 6 * c.width]), 6, c.width)
  g.output('modulated', modulated(g, image, c.width, { shift: shift!, scale: scale! }, c.epsilon), ['B', 'T', c.width])
  return g.build()
}

/** image, temb and the shape [0, h, w, C, 1, 1] -> prediction [B, C, h, 1, w, 1]. */
export function headGraph({ config: c, weights }: Flux2Parts): Model {
  const g = new Graph()
  const latent = unpacked(g, adaptiveHead(g, weights, c), g.input('grid', [6], 'i64'))
  g.output('prediction', latent, ['B', c.channels, 'h', 1, 'w', 1])
  return g.build()
}
