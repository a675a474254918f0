/** Any range of joint blocks of an SD3 transformer as a graph (Esser et al. 2024, figure 2; second attention of SD3.5 medium). */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, geluTanh, silu } from '../../onnx/ops.ts'
import { apply, at, gated, modulated, normedHeads, pieces, type NamedWeights } from '../shared/layers.ts'
import type { Sd3Config } from './config.ts'

export const EPSILON = 1e-6

/** What the builders need to know of a model. */
export interface Sd3Parts {
  readonly config: Sd3Config
  /** By the names of `sd3Shapes`. */
  readonly weights: NamedWeights
}

interface Builder extends Sd3Parts {
  readonly g: Graph
  /** silu of the time embedding. */
  readonly active: Value
  /** [L] and [T]. */
  readonly lengths: readonly [text: Value, image: Value]
}

interface Stream {
  readonly image: Value
  readonly text: Value
}

type Projections = readonly [q: string, k: string, v: string]
const OWN: Projections = ['to_q', 'to_k', 'to_v']
const ADDED: Projections = ['add_q_proj', 'add_k_proj', 'add_v_proj']
const NORMS = { to_q: 'norm_q', to_k: 'norm_k', add_q_proj: 'norm_added_q', add_k_proj: 'norm_added_k' } as const

/** Queries, keys and values of one stream. */
function projected({ g, weights, config }: Builder, attn: string, names: Projections, x: Value): readonly Value[] {
  return names.map((name) => {
    const value = apply(g, weights, `${attn}.${name}`, x)
    const norm = config.qkNorm ? (NORMS as Readonly<Record<string, string>>)[name] : undefined
    return norm ? normedHeads(g, value, at(weights, `${attn}.${norm}.weight`), config.heads, EPSILON) : value
  })
}

/** Image and text look at each other, each by its own projections. */
function jointAttention(b: Builder, attn: string, image: Value, text: Value): readonly [Value, Value] {
  const { g, config, lengths } = b
  const added = projected(b, attn, ADDED, text)
  const joined = projected(b, attn, OWN, image).map((own, i) => g.op('Concat', [added[i]!, own], { axis: 1 }))
  const [q, k, v] = joined as [Value, Value, Value]
  const attended = attention(g, q, k, v, { heads: config.heads })
  const both = g.op('Concat', [...lengths], { axis: 0 })
  const [forText, forImage] = g.ops('Split', [attended, both], { axis: 1 }, 2) as [Value, Value]
  return [forImage, forText]
}

function imageAttention(b: Builder, attn: string, x: Value): Value {
  const [q, k, v] = projected(b, attn, OWN, x) as [Value, Value, Value]
  return apply(b.g, b.weights, `${attn}.to_out.0`, attention(b.g, q, k, v, { heads: b.config.heads }))
}

const mlp = ({ g, weights }: Builder, ff: string, x: Value): Value =>
  apply(g, weights, `${ff}.net.2`, geluTanh(g, apply(g, weights, `${ff}.net.0.proj`, x)))

/** Shift and scale at `place`, and the gate after them. */
const normedBy = (b: Builder, x: Value, mods: readonly Value[], place: number): Value =>
  modulated(b.g, x, b.config.width, { shift: mods[place]!, scale: mods[place + 1]! }, EPSILON)

function modulation({ g, weights, config, active }: Builder, name: string, count: number): readonly Value[] {
  return pieces(g, apply(g, weights, name, active, 2), count, config.width)
}

/** The last block's text only serves the image and goes no further. */
function lastNormedText(b: Builder, block: string, text: Value): Value {
  const half = (name: string): Value =>
    b.g.op('Unsqueeze', [apply(b.g, b.weights, `${block}.norm1_context.${name}`, b.active, 2), b.g.ints([1])])
  return modulated(b.g, text, b.config.width, { shift: half('shift'), scale: half('scale') }, EPSILON)
}

function jointBlock(b: Builder, index: number, x: Stream): Stream {
  const { g, weights, config } = b
  const block = `transformer_blocks.${index}`
  const [isLast, isDual] = [index === config.blocks - 1, config.dual.has(index)]
  const mods = modulation(b, `${block}.norm1.linear`, isDual ? 9 : 6)
  const textMods = isLast ? null : modulation(b, `${block}.norm1_context.linear`, 6)
  const normedText = textMods ? normedBy(b, x.text, textMods, 0) : lastNormedText(b, block, x.text)
  const [imageSeen, textSeen] = jointAttention(b, `${block}.attn`, normedBy(b, x.image, mods, 0), normedText)
  let image = gated(g, x.image, mods[2]!, apply(g, weights, `${block}.attn.to_out.0`, imageSeen))
  if (isDual) image = gated(g, image, mods[8]!, imageAttention(b, `${block}.attn2`, normedBy(b, x.image, mods, 6)))
  image = gated(g, image, mods[5]!, mlp(b, `${block}.ff`, normedBy(b, image, mods, 3)))
  if (!textMods) return { image, text: x.text }
  const text = gated(g, x.text, textMods[2]!, apply(g, weights, `${block}.attn.to_add_out`, textSeen))
  return { image, text: gated(g, text, textMods[5]!, mlp(b, `${block}.ff_context`, normedBy(b, text, textMods, 3))) }
}

/** Blocks [from, to): image [B, T, width], text [B, L, width], temb [B, width] -> image, text. */
export function blocksGraph(parts: Sd3Parts, from: number, to: number): Model {
  const { width } = parts.config
  const g = new Graph()
  let stream: Stream = { image: g.input('image', ['B', 'T', width]), text: g.input('text', ['B', 'L', width]) }
  const length = (value: Value): Value => g.op('Shape', [value], { start: 1, end: 2 })
  const active = silu(g, g.input('temb', ['B', width]))
  const builder: Builder = { ...parts, g, active, lengths: [length(stream.text), length(stream.image)] }
  for (let i = from; i < to; i++) stream = jointBlock(builder, i, stream)
  g.output('image', stream.image, ['B', 'T', width])
  g.output('text', stream.text, ['B', 'L', width])
  return g.build()
}

/** image, temb -> modulated [B, T, width]: what the first block's joint attention takes of the image. */
export function modulatedGraph(parts: Sd3Parts): Model {
  const { config, weights } = parts
  const g = new Graph()
  const image = g.input('image', ['B', 'T', config.width])
  const active = silu(g, g.input('temb', ['B', config.width]))
  const row = apply(g, weights, 'transformer_blocks.0.norm1.linear', active, 2)
  const [shift, scale] = pieces(g, row, config.dual.has(0) ? 9 : 6, config.width) as [Value, Value]
  g.output('modulated', modulated(g, image, config.width, { shift, scale }, EPSILON), ['B', 'T', config.width])
  return g.build()
}
