/** A WAN transformer as graphs: text and picture, embed, any range of blocks, the modulated input, head (Wan team 2025, figure 9). */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, geluErf, geluTanh, layerNorm, rmsNorm, silu } from '../../onnx/ops.ts'
import { moduleKey } from '../../caching/contract.ts'
import { tableHead } from '../shared/heads.ts'
import { apply, at, embedMlp, gated, modulated, pieces, type NamedWeights } from '../shared/layers.ts'
import type { BlocksStyle, Range } from '../shared/module-blocks.ts'
import { forBatch } from '../shared/rotary.ts'
import { refreshed, type Route } from '../shared/sites.ts'
import { patchTokens } from '../shared/volumes.ts'
import type { WanConfig } from './config.ts'

/** Of the norms around the picture's tokens, whatever that of the blocks is. */
const VISION_EPSILON = 1e-5

/** What the builders need to know of a model. */
export interface WanParts {
  readonly config: WanConfig
  /** By the names of `wanShapes`. */
  readonly weights: NamedWeights
}

const CONDITION = 'condition_embedder'
/** The six modulations that all blocks start from [B, 6 width], a projection of the time embedding; the name of their tap. */
export const MODS = 'projected temb'

const normed = (g: Graph, weights: NamedWeights, name: string, x: Value, epsilon: number): Value =>
  layerNorm(g, x, at(weights, `${name}.weight`), at(weights, `${name}.bias`), epsilon)

/** The picture's tokens as the blocks take them; with positions, the tokens of two pictures one after the other. */
function visionTokens(g: Graph, weights: NamedWeights, c: WanConfig, tokens: Value): Value {
  const name = `${CONDITION}.image_embedder`
  const places = c.vision?.positions ?? null
  const placed =
    places === null
      ? tokens
      : g.op('Add', [
          g.op('Reshape', [tokens, g.ints([-1, places, c.vision?.width ?? 0])]),
          g.weight(at(weights, `${name}.pos_embed`)),
        ])
  const first = normed(g, weights, `${name}.norm1`, placed, VISION_EPSILON)
  const inner = geluErf(g, apply(g, weights, `${name}.ff.net.0.proj`, first))
  return normed(g, weights, `${name}.norm2`, apply(g, weights, `${name}.ff.net.2`, inner), VISION_EPSILON)
}

/** tokens [1, L, textWidth] -> context [1, L, width]; of models that see a picture also pictured [1, N, its width] -> vision [1, N, width]. */
export function textGraph({ config: c, weights }: WanParts): Model {
  const g = new Graph()
  const tokens = g.input('tokens', ['B', 'L', c.textWidth])
  const inner = geluTanh(g, apply(g, weights, `${CONDITION}.text_embedder.linear_1`, tokens))
  g.output('context', apply(g, weights, `${CONDITION}.text_embedder.linear_2`, inner), ['B', 'L', c.width])
  if (c.vision) {
    const pictured = g.input('pictured', ['B', 'N', c.vision.width])
    const whole = g.op('Reshape', [visionTokens(g, weights, c, pictured), g.ints([1, -1, c.width])])
    g.output('vision', whole, ['B', 'N', c.width])
  }
  return g.build()
}

/** latent [B, C, F, H, W], beside it what image-to-video adds, time features -> image [B, T, width], temb [B, width], MODS. */
export function embedGraph({ config: c, weights }: WanParts): Model {
  const g = new Graph()
  const latent = g.input('latent', ['B', c.channels, 'F', 'H', 'W'])
  const more = c.inChannels - c.channels
  const whole = more > 0 ? g.op('Concat', [latent, g.input('concat', ['B', more, 'F', 'H', 'W'])], { axis: 1 }) : latent
  const patches = { weight: at(weights, 'patch_embedding.weight'), bias: at(weights, 'patch_embedding.bias') }
  const temb = embedMlp(g, weights, `${CONDITION}.time_embedder`, g.input('time', ['B', c.timeFeatures]))
  g.output('image', patchTokens(g, patches, whole), ['B', 'T', c.width])
  g.output('temb', temb, ['B', c.width])
  g.output(MODS, apply(g, weights, `${CONDITION}.time_proj`, silu(g, temb), 2), ['B', 6 * c.width])
  return g.build()
}

interface Builder extends WanParts {
  readonly route: Route
  readonly g: Graph
  readonly mods: Value
  readonly context: Value
  /** Of models that see a picture. */
  readonly vision: Value | null
  /** [B, T, headSize / 2]. */
  readonly cos: Value
  readonly sin: Value
}

/** A projection whose values are normed over all heads at once. */
const normedProjection = (
  { g, weights, config }: Builder,
  attn: string,
  [project, norm]: readonly string[],
  x: Value,
) => rmsNorm(g, apply(g, weights, `${attn}.${project}`, x), at(weights, `${attn}.${norm}.weight`), config.epsilon)

function selfAttention(b: Builder, attn: string, x: Value): Value {
  const { g, weights, config, cos, sin } = b
  const [q, k] = [
    ['to_q', 'norm_q'],
    ['to_k', 'norm_k'],
  ].map((names) =>
    g.op('RotaryEmbedding', [normedProjection(b, attn, names, x), cos, sin], {
      interleaved: 1,
      num_heads: config.heads,
    }),
  )
  const seen = attention(g, q!, k!, apply(g, weights, `${attn}.to_v`, x), { heads: config.heads })
  return apply(g, weights, `${attn}.to_out.0`, seen)
}

/** The same queries look at the text and, apart from it, at the picture. */
function crossAttention(b: Builder, attn: string, x: Value): Value {
  const { g, weights, config, context, vision } = b
  const queries = normedProjection(b, attn, ['to_q', 'norm_q'], x)
  const look = (to: Value, key: readonly string[], value: string): Value =>
    attention(g, queries, normedProjection(b, attn, key, to), apply(g, weights, `${attn}.${value}`, to), {
      heads: config.heads,
    })
  const text = look(context, ['to_k', 'norm_k'], 'to_v')
  const seen = vision ? g.op('Add', [text, look(vision, ['add_k_proj', 'norm_added_k'], 'add_v_proj')]) : text
  return apply(g, weights, `${attn}.to_out.0`, seen)
}

/** The six modulations of a block: what all blocks share plus a table of its own. */
function blockModulation(g: Graph, { weights, config }: WanParts, block: string, mods: Value): readonly Value[] {
  const table = g.weight({ ...at(weights, `${block}.scale_shift_table`), shape: [6 * config.width] })
  return pieces(g, g.op('Add', [mods, table]), 6, config.width)
}

function wanBlock(b: Builder, index: number, x: Value): Value {
  const { g, weights, config, route } = b
  const block = `blocks.${index}`
  const mods = blockModulation(g, b, block, b.mods)
  const modulatedAt = (value: Value, place: number): Value =>
    modulated(g, value, config.width, { shift: mods[place]!, scale: mods[place + 1]! }, config.epsilon)
  const [seen] = route({
    key: moduleKey('attn', index),
    joined: false,
    run: () => [selfAttention(b, `${block}.attn1`, modulatedAt(x, 0))],
  }) as [Value]
  const image = gated(g, x, mods[2]!, seen)
  const own = config.crossNorm ? normed(g, weights, `${block}.norm2`, image, config.epsilon) : image
  const crossed = g.op('Add', [image, crossAttention(b, `${block}.attn2`, own)])
  const feedForward = (value: Value): Value =>
    apply(
      g,
      weights,
      `${block}.ffn.net.2`,
      geluTanh(g, apply(g, weights, `${block}.ffn.net.0.proj`, modulatedAt(value, 3))),
    )
  const [change] = route({
    key: moduleKey('mlp', index),
    joined: false,
    run: () => [feedForward(crossed)],
    refresh: ([output], tokens) => [refreshed(g, config.width, output!, crossed, tokens, feedForward)],
  }) as [Value]
  return gated(g, crossed, mods[5]!, change)
}

/** Blocks [from, to): image, MODS, context [B, L, width], vision [B, N, width] where the model sees a picture, cos, sin -> image; `style` decides how modules are answered. */
export function blocksGraph(parts: WanParts, [from, to]: Range, style: BlocksStyle): Model {
  const { width, headSize, vision } = parts.config
  const g = new Graph()
  let image = g.input('image', ['B', 'T', width])
  const table = (name: string): Value => forBatch(g, g.input(name, ['T', headSize / 2]), image)
  const builder: Builder = {
    ...{ ...parts, g, cos: table('cos'), sin: table('sin') },
    mods: g.input(MODS, ['B', 6 * width]),
    context: g.input('context', ['B', 'L', width]),
    vision: vision ? g.input('vision', ['B', 'N', width]) : null,
    // No text passes through these blocks.
    route: style.routes(g, g.ints([0, 0])),
  }
  for (let i = from; i < to; i++) image = wanBlock(builder, i, image)
  g.output('image', image, ['B', 'T', width])
  return g.build()
}

/** image, MODS -> modulated [B, T, width]: what the first block's self-attention takes. */
export function modulatedGraph(parts: WanParts): Model {
  const { width, epsilon } = parts.config
  const g = new Graph()
  const image = g.input('image', ['B', 'T', width])
  const [shift, scale] = blockModulation(g, parts, 'blocks.0', g.input(MODS, ['B', 6 * width])) as [Value, Value]
  g.output('modulated', modulated(g, image, width, { shift, scale }, epsilon), ['B', 'T', width])
  return g.build()
}

/** image, temb and the shape [0, f, h, w, p, p, p, C] -> prediction [B, C, f, p, h, p, w, p]. */
export function headGraph({ config: c, weights }: WanParts): Model {
  const g = new Graph()
  const cells = g.op('Reshape', [tableHead(g, weights, c), g.input('grid', [8], 'i64')])
  const latent = g.op('Transpose', [cells], { perm: [0, 7, 1, 4, 2, 5, 3, 6] })
  const [pf, ph, pw] = c.patch
  g.output('prediction', latent, ['B', c.channels, 'f', pf, 'h', ph, 'w', pw])
  return g.build()
}
