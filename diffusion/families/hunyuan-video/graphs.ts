/** What lies outside the blocks of a HunyuanVideo transformer as graphs: text, embed with the text refiner, head. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, layerNorm, silu } from '../../onnx/ops.ts'
import { adaptiveHead } from '../shared/heads.ts'
import { apply, at, embedMlp, gated, pieces } from '../shared/layers.ts'
import { TIME_CHANNELS } from '../shared/sinusoids.ts'
import { patchTokens, tokensToVolume } from '../shared/volumes.ts'
import { EPSILON, type HunyuanParts } from './blocks.ts'

const REFINER = 'context_embedder'

/**
 * What depends on the prompt only: tokens [B, L, textWidth], their mean over the text [B, textWidth], pooled, guidance features ->
 * projected [B, L, width], gist [B, width] (of the text, for the refiner), vector [B, width].
 */
export function textGraph({ config: c, weights }: HunyuanParts): Model {
  const g = new Graph()
  const projected = apply(g, weights, `${REFINER}.proj_in`, g.input('tokens', ['B', 'L', c.textWidth]))
  const mean = g.input('mean', ['B', c.textWidth])
  let vector = embedMlp(g, weights, 'time_text_embed.text_embedder', g.input('pooled', ['B', c.pooledWidth]))
  if (c.guidance) {
    const features = g.input('guidance', ['B', TIME_CHANNELS])
    vector = g.op('Add', [embedMlp(g, weights, 'time_text_embed.guidance_embedder', features), vector])
  }
  g.output('projected', projected, ['B', 'L', c.width])
  g.output('gist', embedMlp(g, weights, `${REFINER}.time_text_embed.text_embedder`, mean), ['B', c.width])
  g.output('vector', vector, ['B', c.width])
  return g.build()
}

interface Refiner extends HunyuanParts {
  readonly g: Graph
  /** silu of the time and the gist [B, width]. */
  readonly active: Value
  /** Added to the scores, [B, 1, L, L]. */
  readonly bias: Value
}

function refinerBlock({ g, weights, config: c, active, bias }: Refiner, index: number, x: Value): Value {
  const block = `${REFINER}.token_refiner.refiner_blocks.${index}`
  const norm = (name: string, value: Value): Value => {
    const [weight, offset] = ['weight', 'bias'].map((leaf) => at(weights, `${block}.${name}.${leaf}`))
    return layerNorm(g, value, weight!, offset!, EPSILON)
  }
  const [first, second] = pieces(g, apply(g, weights, `${block}.norm_out.linear`, active, 2), 2, c.width)
  const normed = norm('norm1', x)
  const [q, k, v] = ['to_q', 'to_k', 'to_v'].map((name) => apply(g, weights, `${block}.attn.${name}`, normed))
  const seen = apply(g, weights, `${block}.attn.to_out.0`, attention(g, q!, k!, v!, { heads: c.heads, bias }))
  const attended = gated(g, x, first!, seen)
  const inner = silu(g, apply(g, weights, `${block}.ff.net.0.proj`, norm('norm2', attended)))
  return gated(g, attended, second!, apply(g, weights, `${block}.ff.net.2`, inner))
}

/**
 * The text as the blocks take it: refined by blocks that know the time, then without its padding. Of `kept` [B, tokens to keep] only the
 * extent counts: it travels as a row so that prompts of other lengths are not put into one batch.
 */
function refined(g: Graph, parts: HunyuanParts, time: Value): Value {
  const { config: c, weights } = parts
  const moment = embedMlp(g, weights, `${REFINER}.time_text_embed.timestep_embedder`, time)
  const active = silu(g, g.op('Add', [moment, g.input('gist', ['B', c.width])]))
  const bias = g.op('Unsqueeze', [g.input('hidden', ['B', 'L', 'L']), g.ints([1])])
  const refiner: Refiner = { ...parts, g, active, bias }
  let text = g.input('projected', ['B', 'L', c.width])
  for (let i = 0; i < c.refinerBlocks; i++) text = refinerBlock(refiner, i, text)
  const count = g.op('Shape', [g.input('kept', ['B', 'K'])], { start: 1, end: 2 })
  return g.op('Slice', [text, g.ints([0]), count, g.ints([1])])
}

/** latent [B, C, F, H, W], time features, and the rows of the prompt -> image [B, T, width], text [B, K, width], temb [B, width]. */
export function embedGraph(parts: HunyuanParts): Model {
  const { config: c, weights } = parts
  const g = new Graph()
  const latent = g.input('latent', ['B', c.channels, 'F', 'H', 'W'])
  const [weight, bias] = ['weight', 'bias'].map((leaf) => at(weights, `x_embedder.proj.${leaf}`))
  const image = patchTokens(g, { weight: weight!, bias: bias! }, latent)
  const time = g.input('time', ['B', TIME_CHANNELS])
  const moment = embedMlp(g, weights, 'time_text_embed.timestep_embedder', time)
  g.output('image', image, ['B', 'T', c.width])
  g.output('text', refined(g, parts, time), ['B', 'K', c.width])
  g.output('temb', g.op('Add', [moment, g.input('vector', ['B', c.width])]), ['B', c.width])
  return g.build()
}

/** image, temb and the shape [0, f, h, w, C, p, p, p] -> prediction [B, C, f, p, h, p, w, p]. */
export function headGraph({ config: c, weights }: HunyuanParts): Model {
  const g = new Graph()
  const tokens = adaptiveHead(g, weights, { width: c.width, epsilon: EPSILON })
  const latent = tokensToVolume(g, tokens, g.input('grid', [8], 'i64'))
  g.output('prediction', latent, ['B', c.outChannels, 'f', c.patch[0], 'h', c.patch[1], 'w', c.patch[2]])
  return g.build()
}
