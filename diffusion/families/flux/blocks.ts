/** Any range of blocks of a FLUX transformer as a graph, whose modules may also be answered from outside. */
import { moduleKey, type ModuleKey } from '../../caching/contract.ts'
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, geluTanh, linear, rmsNorm, silu, sliceColumns, split, type Columns } from '../../onnx/ops.ts'
import { apply, at, EPSILON, gated, modulated, type FluxParts } from './layers.ts'
import { modsInput, modulationsOf, modulationStart, modulationVectors, type ModulationSource } from './modulation.ts'

/** Both streams between two blocks. */
interface Stream {
  readonly image: Value
  readonly text: Value
}

/** What all blocks share. */
export interface Shared {
  /** Shifts, scales (with 1 added) and gates of a block, each [B, 1, width]: of a double block the image's six, then the text's. */
  readonly modulation: (block: number) => readonly Value[]
  /** Rotary tables [B, L + T, headSize / 2]. */
  readonly cos: Value
  readonly sin: Value
  /** [L, T] as int64. */
  readonly lengths: Value
}

/** A module of a block, as the graph meets it. What it gives comes after the output projection, before the gate. */
export interface Site {
  readonly key: ModuleKey
  /** Whether its tokens are text before image in one value (single blocks), or image and text apart (double blocks). */
  readonly joined: boolean
  /** `watch` is shown the rotated queries and keys [B, tokens, width] of an attention. */
  readonly run: (watch?: Watch) => readonly Value[]
  /** Its output with some image tokens computed anew; `tokens` are their places in the flattened batch, int64 [B count]. */
  readonly refresh?: (output: readonly Value[], tokens: Value) => readonly Value[]
}

export type Watch = (queries: Value, keys: Value) => void

/** How a graph comes by a module's output. */
export type Route = (site: Site) => readonly Value[]

/**
 * How a single block's two modules leave it: 'together', through one product over both, or 'apart', each through its own columns of
 * the weight. Apart costs a copy of the weight where constants are not folded at load.
 */
export type Projection = 'together' | 'apart'

/** How a graph over blocks is built. */
export interface BlocksStyle {
  readonly projection: Projection
  readonly modulation: ModulationSource
}

interface Builder {
  readonly g: Graph
  readonly parts: FluxParts
  readonly shared: Shared
  readonly route: Route
  readonly projection: Projection
}

/** Projects, then root-mean-square norms each head. */
function normedHeads({ g, parts }: Builder, projection: string, norm: string, x: Value): Value {
  const { heads, headSize, width } = parts.config
  const byHead = g.op('Reshape', [apply(g, parts, projection, x), g.ints([0, 0, heads, headSize])])
  return g.op('Reshape', [rmsNorm(g, byHead, at(parts, `${norm}.weight`), EPSILON), g.ints([0, 0, width])])
}

function rotatedAttention({ g, parts, shared }: Builder, q: Value, k: Value, v: Value, watch?: Watch): Value {
  const { heads } = parts.config
  const rotate = (x: Value): Value =>
    g.op('RotaryEmbedding', [x, shared.cos, shared.sin], { interleaved: 1, num_heads: heads })
  const [queries, keys] = [rotate(q), rotate(k)]
  watch?.(queries, keys)
  return attention(g, queries, keys, v, { heads })
}

/** `output` [B, T, width] with what `run` makes of the chosen tokens of `x` put in their places. */
function refreshed(
  g: Graph,
  width: number,
  output: Value,
  x: Value,
  tokens: Value,
  run: (rows: Value) => Value,
): Value {
  const flat = (value: Value): Value => g.op('Reshape', [value, g.ints([-1, width])])
  const chosen = g.op('Gather', [flat(x), tokens], { axis: 0 })
  const batch = g.op('Shape', [x], { start: 0, end: 1 })
  const shape = g.op('Concat', [batch, g.ints([-1, width])], { axis: 0 })
  const made = flat(run(g.op('Reshape', [chosen, shape])))
  const mixed = g.op('ScatterND', [flat(output), g.op('Unsqueeze', [tokens, g.ints([1])]), made])
  return g.op('Reshape', [mixed, g.op('Shape', [output])])
}

/** Joint attention of a double block: image and text, each by its own projections. */
function jointAttention(b: Builder, attn: string, image: Value, text: Value, watch?: Watch): readonly Value[] {
  const { g, parts, shared } = b
  const join = (a: Value, c: Value): Value => g.op('Concat', [a, c], { axis: 1 })
  const q = join(
    normedHeads(b, `${attn}.add_q_proj`, `${attn}.norm_added_q`, text),
    normedHeads(b, `${attn}.to_q`, `${attn}.norm_q`, image),
  )
  const k = join(
    normedHeads(b, `${attn}.add_k_proj`, `${attn}.norm_added_k`, text),
    normedHeads(b, `${attn}.to_k`, `${attn}.norm_k`, image),
  )
  const v = join(apply(g, parts, `${attn}.add_v_proj`, text), apply(g, parts, `${attn}.to_v`, image))
  const attended = rotatedAttention(b, q, k, v, watch)
  const [forText, forImage] = g.ops('Split', [attended, shared.lengths], { axis: 1 }, 2) as [Value, Value]
  return [apply(g, parts, `${attn}.to_out.0`, forImage), apply(g, parts, `${attn}.to_add_out`, forText)]
}

function doubleBlock(b: Builder, index: number, x: Stream): Stream {
  const { g, parts, route } = b
  const { width } = parts.config
  const block = `transformer_blocks.${index}`
  const made = b.shared.modulation(index)
  const [mods, textMods] = [made.slice(0, 6), made.slice(6)]
  const normed = (value: Value, by: readonly Value[], at: number): Value =>
    modulated(g, value, width, by[at]!, by[at + 1]!)
  const [imageSeen, textSeen] = route({
    key: moduleKey('attn', index),
    joined: false,
    run: (watch) => jointAttention(b, `${block}.attn`, normed(x.image, mods, 0), normed(x.text, textMods, 0), watch),
  }) as [Value, Value]
  const image = gated(g, x.image, mods[2]!, imageSeen)
  const text = gated(g, x.text, textMods[2]!, textSeen)
  const mlp = (ff: string, value: Value, by: readonly Value[]): Value =>
    apply(g, parts, `${ff}.net.2`, geluTanh(g, apply(g, parts, `${ff}.net.0.proj`, normed(value, by, 3))))
  const imageMlp = (value: Value): Value => mlp(`${block}.ff`, value, mods)
  const [imageChange, textChange] = route({
    key: moduleKey('mlp', index),
    joined: false,
    run: () => [imageMlp(image), mlp(`${block}.ff_context`, text, textMods)],
    refresh: ([output, other], tokens) => [refreshed(g, width, output!, image, tokens, imageMlp), other!],
  }) as [Value, Value]
  return { image: gated(g, image, mods[5]!, imageChange), text: gated(g, text, textMods[5]!, textChange) }
}

/** A single block on the joined stream [B, L + T, width]: both modules see the same tokens and are added under one gate. */
function singleBlock(b: Builder, index: number, x: Value): Value {
  const { g, parts, shared, route, projection } = b
  const { width, inner, doubleBlocks } = parts.config
  const block = `single_transformer_blocks.${index}`
  const [shift, scale, gate] = shared.modulation(doubleBlocks + index) as [Value, Value, Value]
  const normed = (): Value => g.once(`normed ${block}`, () => modulated(g, x, width, shift, scale))
  const seen = (watch?: Watch): Value => {
    const q = normedHeads(b, `${block}.attn.to_q`, `${block}.attn.norm_q`, normed())
    const k = normedHeads(b, `${block}.attn.to_k`, `${block}.attn.norm_k`, normed())
    return rotatedAttention(b, q, k, apply(g, parts, `${block}.attn.to_v`, normed()), watch)
  }
  const activated = (value: Value): Value => geluTanh(g, apply(g, parts, `${block}.proj_mlp`, value))
  if (projection === 'together') {
    const both = g.op('Concat', [seen(), activated(normed())], { axis: 2 })
    return gated(g, x, gate, apply(g, parts, `${block}.proj_out`, both))
  }
  const out = (kind: 'weight' | 'bias') => at(parts, `${block}.proj_out.${kind}`)
  const columns = (from: number, to: number): Columns => sliceColumns(g, out('weight'), from, to)
  const project = (value: Value): Value =>
    linear(g, activated(value), { weight: columns(width, width + inner), bias: out('bias') }, 3)
  const [attended] = route({
    key: moduleKey('attn', doubleBlocks + index),
    joined: true,
    run: (watch) => [linear(g, seen(watch), { weight: columns(0, width), bias: null }, 3)],
  }) as [Value]
  const [change] = route({
    key: moduleKey('mlp', doubleBlocks + index),
    joined: true,
    run: () => [project(normed())],
    refresh: ([output], tokens) => [
      refreshed(g, width, output!, x, tokens, (rows) => project(modulated(g, rows, width, shift, scale))),
    ],
  }) as [Value]
  return gated(g, x, gate, g.op('Add', [attended, change]))
}

/** See `Shared.modulation`. */
function modulationOf(
  g: Graph,
  parts: FluxParts,
  [from, to]: readonly [number, number],
  source: ModulationSource,
): Shared['modulation'] {
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

function sharedValues(g: Graph, { config }: FluxParts, x: Stream): Omit<Shared, 'modulation'> {
  const half = config.headSize / 2
  const batch = g.op('Shape', [x.image], { start: 0, end: 1 })
  const table = (name: string): Value => {
    const values = g.input(name, ['S', half])
    return g.op('Expand', [values, g.op('Concat', [batch, g.op('Shape', [values])], { axis: 0 })])
  }
  const length = (value: Value): Value => g.op('Shape', [value], { start: 1, end: 2 })
  return {
    cos: table('cos'),
    sin: table('sin'),
    lengths: g.op('Concat', [length(x.text), length(x.image)], { axis: 0 }),
  }
}

/** Every module is run. */
const runAll =
  (): Route =>
  ({ run }) =>
    run()

/**
 * Blocks [from, to), double blocks first: image, text, mods or temb, cos, sin -> image, text. `routes` may add inputs and outputs of its own
 * and decide how each module is answered; then the projection has to be 'apart'.
 */
export function blocksGraph(
  parts: FluxParts,
  [from, to]: readonly [number, number],
  { projection, modulation }: BlocksStyle,
  routes: (g: Graph, shared: Shared) => Route = runAll,
): Model {
  const { width, doubleBlocks } = parts.config
  const g = new Graph()
  let stream: Stream = { image: g.input('image', ['B', 'T', width]), text: g.input('text', ['B', 'L', width]) }
  const shared = { ...sharedValues(g, parts, stream), modulation: modulationOf(g, parts, [from, to], modulation) }
  const builder: Builder = { g, parts, shared, projection, route: routes(g, shared) }
  for (let i = from; i < Math.min(to, doubleBlocks); i++) stream = doubleBlock(builder, i, stream)
  if (to > doubleBlocks) {
    let joint = g.op('Concat', [stream.text, stream.image], { axis: 1 })
    for (let i = Math.max(from, doubleBlocks); i < to; i++) joint = singleBlock(builder, i - doubleBlocks, joint)
    const [text, image] = g.ops('Split', [joint, shared.lengths], { axis: 1 }, 2) as [Value, Value]
    stream = { text, image }
  }
  g.output('image', stream.image, ['B', 'T', width])
  g.output('text', stream.text, ['B', 'L', width])
  return g.build()
}
