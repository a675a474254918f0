/** A Qwen-Image transformer as graphs: text, embed, any range of double blocks, the modulated input, head (Wu et al. 2025, figure 6). */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { geluTanh, rmsNorm, silu } from '../../onnx/ops.ts'
import { adaptiveHead } from '../shared/heads.ts'
import {
  doubleBlock,
  lengthsOf,
  twoOf,
  type DoubleSide,
  type JointBuilder,
  type Stream,
} from '../shared/joint-blocks.ts'
import { apply, at, embedMlp, modulated, pieces, type NamedWeights } from '../shared/layers.ts'
import type { BlocksStyle, Range } from '../shared/module-blocks.ts'
import { packed, unpacked } from '../shared/packing.ts'
import { forBatch } from '../shared/rotary.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import type { QwenConfig } from './config.ts'

/** Of all norms, in all Qwen-Image models. */
const EPSILON = 1e-6

/** What the builders need to know of a model. */
export interface QwenParts {
  readonly config: QwenConfig
  /** By the names of `qwenShapes`. */
  readonly weights: NamedWeights
}

/** tokens [B, L, textWidth] -> text [B, L, width]. */
export function textGraph({ config: c, weights }: QwenParts): Model {
  const g = new Graph()
  const tokens = g.input('tokens', ['B', 'L', c.textWidth])
  const normed = rmsNorm(g, tokens, at(weights, 'txt_norm.weight'), EPSILON)
  g.output('text', apply(g, weights, 'txt_in', normed), ['B', 'L', c.width])
  return g.build()
}

/** patches [B, C, h, p, w, p], time features -> image [B, h w, width], temb [B, width]. */
export function embedGraph({ config: c, weights }: QwenParts): Model {
  const g = new Graph()
  const tokens = packed(g, g.input('patches', ['B', c.channels, 'h', c.patch, 'w', c.patch]), c.channels * c.patch ** 2)
  g.output('image', apply(g, weights, 'img_in', tokens), ['B', 'T', c.width])
  const temb = embedMlp(g, weights, 'time_text_embed.timestep_embedder', g.input('time', ['B', TIME_CHANNELS]))
  g.output('temb', temb, ['B', c.width])
  return g.build()
}

const modulation = (g: Graph, { weights, config }: QwenParts, name: string, active: Value) =>
  pieces(g, apply(g, weights, name, active, 2), 6, config.width)

function block(b: JointBuilder, parts: QwenParts, active: Value, index: number, x: Stream): Stream {
  const { g, weights } = b
  const name = `transformer_blocks.${index}`
  const side = (prefix: 'img' | 'txt'): DoubleSide => {
    const [attention, mlp] = twoOf(g, modulation(g, parts, `${name}.${prefix}_mod.1`, active))
    const inner = (value: Value): Value => geluTanh(g, apply(g, weights, `${name}.${prefix}_mlp.net.0.proj`, value))
    return { attention, mlp, feedForward: (value) => apply(g, weights, `${name}.${prefix}_mlp.net.2`, inner(value)) }
  }
  return doubleBlock(b, { index, name }, x, side('img'), side('txt'))
}

/**
 * Blocks [from, to): image [B, T, width], text [B, L, width], temb [B, width], rotary tables of the image [T, half a head] and of the text
 * [B, L, half a head] -> image, text.
 */
export function blocksGraph(parts: QwenParts, [from, to]: Range, { projection, routes }: BlocksStyle): Model {
  const { width, heads, headSize } = parts.config
  const g = new Graph()
  let stream: Stream = { image: g.input('image', ['B', 'T', width]), text: g.input('text', ['B', 'L', width]) }
  const active = silu(g, g.input('temb', ['B', width]))
  const half = headSize / 2
  const table = (name: 'cos' | 'sin'): Value => {
    const ofImage = forBatch(g, g.input(name, ['T', half]), stream.image)
    return g.op('Concat', [g.input(`text ${name}`, ['B', 'L', half]), ofImage], { axis: 1 })
  }
  const lengths = lengthsOf(g, stream)
  const builder: JointBuilder = {
    ...{ g, weights: parts.weights, heads, width, epsilon: EPSILON, lengths },
    ...{ projection, route: routes(g, lengths) },
    ...{ cos: table('cos'), sin: table('sin') },
  }
  for (let i = from; i < to; i++) stream = block(builder, parts, active, i, stream)
  g.output('image', stream.image, ['B', 'T', width])
  g.output('text', stream.text, ['B', 'L', width])
  return g.build()
}

/** image, temb -> modulated [B, T, width]: what the first block's joint attention takes of the image. */
export function modulatedGraph(parts: QwenParts): Model {
  const { width } = parts.config
  const g = new Graph()
  const image = g.input('image', ['B', 'T', width])
  const active = silu(g, g.input('temb', ['B', width]))
  const [shift, scale] = modulation(g, parts, 'transformer_blocks.0.img_mod.1', active)
  g.output('modulated', modulated(g, image, width, { shift: shift!, scale: scale! }, EPSILON), ['B', 'T', width])
  return g.build()
}

/** image, temb and the shape [0, h, w, C, p, p] -> prediction [B, C, h, p, w, p]. */
export function headGraph({ config: c, weights }: QwenParts): Model {
  const g = new Graph()
  const tokens = adaptiveHead(g, weights, { width: c.width, epsilon: EPSILON })
  const latent = unpacked(g, tokens, g.input('grid', [6], 'i64'))
  g.output('prediction', latent, ['B', c.channels, 'h', c.patch, 'w', c.patch])
  return g.build()
}
