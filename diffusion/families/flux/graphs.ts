/** The parts of a FLUX transformer as graphs: text, embed, any range of blocks, head. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, geluTanh, linear, plainLayerNorm, rmsNorm, silu, split, type Linear } from '../../onnx/ops.ts'
import { rowsOf, type StoredTensor } from '../../onnx/weights.ts'
import { TIME_CHANNELS, type FluxConfig } from './config.ts'

const EPSILON = 1e-6

/** What the builders need to know of a model. */
export interface FluxParts {
  readonly config: FluxConfig
  /** By the names of `fluxShapes`. */
  readonly weights: ReadonlyMap<string, StoredTensor>
}

const at = ({ weights }: FluxParts, name: string): StoredTensor => {
  const stored = weights.get(name)
  if (!stored) throw new Error(`flux: no weight '${name}'`)
  return stored
}

const layer = (parts: FluxParts, name: string): Linear => ({
  weight: at(parts, `${name}.weight`),
  bias: at(parts, `${name}.bias`),
})

const apply = (g: Graph, parts: FluxParts, name: string, x: Value, rank: 2 | 3 = 3): Value =>
  linear(g, x, layer(parts, name), rank)

const embedMlp = (g: Graph, parts: FluxParts, name: string, x: Value): Value =>
  apply(g, parts, `${name}.linear_2`, silu(g, apply(g, parts, `${name}.linear_1`, x, 2)), 2)

/** (1 + scale) * LayerNorm(x) + shift. */
const modulated = (g: Graph, x: Value, width: number, shift: Value, scale: Value): Value =>
  g.op('Add', [g.op('Mul', [plainLayerNorm(g, x, width, EPSILON), g.op('Add', [scale, g.constant([1])])]), shift])

/** What depends on the prompt only: tokens [B, L, textWidth], pooled, guidance features -> text [B, L, width], vector [B, width]. */
export function textGraph(parts: FluxParts): Model {
  const { config: c } = parts
  const g = new Graph()
  const text = apply(g, parts, 'context_embedder', g.input('tokens', ['B', 'L', c.textWidth]))
  let vector = embedMlp(g, parts, 'time_text_embed.text_embedder', g.input('pooled', ['B', c.pooledWidth]))
  if (c.guidance) {
    const features = g.input('guidance', ['B', TIME_CHANNELS])
    vector = g.op('Add', [embedMlp(g, parts, 'time_text_embed.guidance_embedder', features), vector])
  }
  g.output('text', text, ['B', 'L', c.width])
  g.output('vector', vector, ['B', c.width])
  return g.build()
}

/** patches [B, C, h, 2, w, 2], time features, vector -> image [B, h w, width], temb [B, width]. */
export function embedGraph(parts: FluxParts): Model {
  const { config: c } = parts
  const g = new Graph()
  const patches = g.input('patches', ['B', c.patchChannels / 4, 'h', 2, 'w', 2])
  const packed = g.op('Reshape', [
    g.op('Transpose', [patches], { perm: [0, 2, 4, 1, 3, 5] }),
    g.ints([0, -1, c.patchChannels]),
  ])
  const time = embedMlp(g, parts, 'time_text_embed.timestep_embedder', g.input('time', ['B', TIME_CHANNELS]))
  const temb = g.op('Add', [time, g.input('vector', ['B', c.width])])
  g.output('image', apply(g, parts, 'x_embedder', packed), ['B', 'T', c.width])
  g.output('temb', temb, ['B', c.width])
  return g.build()
}

/** image, temb and the shape [0, h, w, C, 2, 2] -> prediction [B, C, h, 2, w, 2]. */
export function headGraph(parts: FluxParts): Model {
  const { config: c } = parts
  const g = new Graph()
  const image = g.input('image', ['B', 'T', c.width])
  const active = silu(g, g.input('temb', ['B', c.width]))
  const shape = g.input('grid', [6], 'i64')
  const row = (name: string): Value => g.op('Unsqueeze', [apply(g, parts, name, active, 2), g.ints([1])])
  const normed = modulated(g, image, c.width, row('norm_out.shift'), row('norm_out.scale'))
  const cells = g.op('Reshape', [apply(g, parts, 'proj_out', normed), shape])
  const latent = g.op('Transpose', [cells], { perm: [0, 3, 1, 4, 2, 5] })
  g.output('prediction', latent, ['B', c.patchChannels / 4, 'h', 2, 'w', 2])
  return g.build()
}

/** image, temb -> modulated [B, T, width]: what the first block's attention takes of the image. Of its modulation, the part needed. */
export function modulatedGraph(parts: FluxParts): Model {
  const { config: c } = parts
  const g = new Graph()
  const image = g.input('image', ['B', 'T', c.width])
  const active = silu(g, g.input('temb', ['B', c.width]))
  const name = c.doubleBlocks > 0 ? 'transformer_blocks.0.norm1.linear' : 'single_transformer_blocks.0.norm.linear'
  const rows = (kind: string): StoredTensor => rowsOf(at(parts, `${name}.${kind}`), 0, 2 * c.width)
  const both = linear(g, active, { weight: rows('weight'), bias: rows('bias') }, 2)
  const [shift, scale] = split(g, g.op('Unsqueeze', [both, g.ints([1])]), [c.width, c.width]) as [Value, Value]
  g.output('modulated', modulated(g, image, c.width, shift, scale), ['B', 'T', c.width])
  return g.build()
}

/** Both streams between two blocks, and what all blocks share. */
interface Stream {
  readonly image: Value
  readonly text: Value
}
interface Shared {
  readonly active: Value
  /** Rotary tables [B, L + T, headSize / 2]. */
  readonly cos: Value
  readonly sin: Value
  /** [L, T] as int64. */
  readonly lengths: Value
}

const modulation = (g: Graph, parts: FluxParts, name: string, shared: Shared, count: number): readonly Value[] => {
  const row = g.op('Unsqueeze', [apply(g, parts, name, shared.active, 2), g.ints([1])])
  return split(g, row, new Array<number>(count).fill(parts.config.width))
}

/** Projects, then root-mean-square norms each head. */
function normedHeads(g: Graph, parts: FluxParts, projection: string, norm: string, x: Value): Value {
  const { heads, headSize, width } = parts.config
  const byHead = g.op('Reshape', [apply(g, parts, projection, x), g.ints([0, 0, heads, headSize])])
  return g.op('Reshape', [rmsNorm(g, byHead, at(parts, `${norm}.weight`), EPSILON), g.ints([0, 0, width])])
}

const rotate = (g: Graph, parts: FluxParts, x: Value, { cos, sin }: Shared): Value =>
  g.op('RotaryEmbedding', [x, cos, sin], { interleaved: 1, num_heads: parts.config.heads })

const gated = (g: Graph, x: Value, gate: Value, change: Value): Value => g.op('Add', [x, g.op('Mul', [gate, change])])

/** One stream's half of a double block after attention: gated residual, then the modulated MLP. */
function finish(g: Graph, parts: FluxParts, ff: string, x: Value, change: Value, mods: readonly Value[]): Value {
  const [, , gate, shift, scale, gateMlp] = mods as [Value, Value, Value, Value, Value, Value]
  const attended = gated(g, x, gate, change)
  const normed = modulated(g, attended, parts.config.width, shift, scale)
  const inner = geluTanh(g, apply(g, parts, `${ff}.net.0.proj`, normed))
  return gated(g, attended, gateMlp, apply(g, parts, `${ff}.net.2`, inner))
}

function doubleBlock(g: Graph, parts: FluxParts, index: number, x: Stream, shared: Shared): Stream {
  const { width, heads } = parts.config
  const block = `transformer_blocks.${index}`
  const attn = `${block}.attn`
  const mods = modulation(g, parts, `${block}.norm1.linear`, shared, 6)
  const textMods = modulation(g, parts, `${block}.norm1_context.linear`, shared, 6)
  const image = modulated(g, x.image, width, mods[0]!, mods[1]!)
  const text = modulated(g, x.text, width, textMods[0]!, textMods[1]!)
  const join = (a: Value, b: Value): Value => g.op('Concat', [a, b], { axis: 1 })
  const q = join(
    normedHeads(g, parts, `${attn}.add_q_proj`, `${attn}.norm_added_q`, text),
    normedHeads(g, parts, `${attn}.to_q`, `${attn}.norm_q`, image),
  )
  const k = join(
    normedHeads(g, parts, `${attn}.add_k_proj`, `${attn}.norm_added_k`, text),
    normedHeads(g, parts, `${attn}.to_k`, `${attn}.norm_k`, image),
  )
  const v = join(apply(g, parts, `${attn}.add_v_proj`, text), apply(g, parts, `${attn}.to_v`, image))
  const attended = attention(g, rotate(g, parts, q, shared), rotate(g, parts, k, shared), v, { heads })
  const [forText, forImage] = g.ops('Split', [attended, shared.lengths], { axis: 1 }, 2) as [Value, Value]
  return {
    text: finish(g, parts, `${block}.ff_context`, x.text, apply(g, parts, `${attn}.to_add_out`, forText), textMods),
    image: finish(g, parts, `${block}.ff`, x.image, apply(g, parts, `${attn}.to_out.0`, forImage), mods),
  }
}

/** A single block on the joined stream [B, L + T, width]; attention and MLP beside each other. */
function singleBlock(g: Graph, parts: FluxParts, index: number, x: Value, shared: Shared): Value {
  const { width, heads } = parts.config
  const block = `single_transformer_blocks.${index}`
  const [shift, scale, gate] = modulation(g, parts, `${block}.norm.linear`, shared, 3) as [Value, Value, Value]
  const normed = modulated(g, x, width, shift, scale)
  const q = normedHeads(g, parts, `${block}.attn.to_q`, `${block}.attn.norm_q`, normed)
  const k = normedHeads(g, parts, `${block}.attn.to_k`, `${block}.attn.norm_k`, normed)
  const v = apply(g, parts, `${block}.attn.to_v`, normed)
  const attended = attention(g, rotate(g, parts, q, shared), rotate(g, parts, k, shared), v, { heads })
  const inner = geluTanh(g, apply(g, parts, `${block}.proj_mlp`, normed))
  const both = g.op('Concat', [attended, inner], { axis: 2 })
  return gated(g, x, gate, apply(g, parts, `${block}.proj_out`, both))
}

function sharedValues(g: Graph, { config }: FluxParts, x: Stream): Shared {
  const half = config.headSize / 2
  const batch = g.op('Shape', [x.image], { start: 0, end: 1 })
  const table = (name: string): Value => {
    const values = g.input(name, ['S', half])
    return g.op('Expand', [values, g.op('Concat', [batch, g.op('Shape', [values])], { axis: 0 })])
  }
  const length = (value: Value): Value => g.op('Shape', [value], { start: 1, end: 2 })
  return {
    active: silu(g, g.input('temb', ['B', config.width])),
    cos: table('cos'),
    sin: table('sin'),
    lengths: g.op('Concat', [length(x.text), length(x.image)], { axis: 0 }),
  }
}

/** Blocks [from, to), double blocks first: image, text, temb, cos, sin -> image, text. */
export function blocksGraph(parts: FluxParts, from: number, to: number): Model {
  const { width, doubleBlocks } = parts.config
  const g = new Graph()
  let stream: Stream = { image: g.input('image', ['B', 'T', width]), text: g.input('text', ['B', 'L', width]) }
  const shared = sharedValues(g, parts, stream)
  for (let i = from; i < Math.min(to, doubleBlocks); i++) stream = doubleBlock(g, parts, i, stream, shared)
  if (to > doubleBlocks) {
    let joint = g.op('Concat', [stream.text, stream.image], { axis: 1 })
    for (let i = Math.max(from, doubleBlocks); i < to; i++)
      joint = singleBlock(g, parts, i - doubleBlocks, joint, shared)
    const [text, image] = g.ops('Split', [joint, shared.lengths], { axis: 1 }, 2) as [Value, Value]
    stream = { text, image }
  }
  g.output('image', stream.image, ['B', 'T', width])
  g.output('text', stream.text, ['B', 'L', width])
  return g.build()
}
