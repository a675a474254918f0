/** CLIPTextModel: its sizes, its graph, and which token's state is the pooled text. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, embedding, geluErf, layerNorm, linear, quickGelu } from '../../onnx/ops.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import type { WeightLookup } from '../lookup.ts'

export interface ClipConfig {
  readonly width: number
  readonly heads: number
  readonly layers: number
  /** Most tokens it takes. */
  readonly positions: number
  readonly epsilon: number
  readonly activation: 'quick_gelu' | 'gelu'
  readonly eosToken: number
}

/** Large enough that exp of it is 0 beside any score, small enough not to overflow when added to one. */
const NEVER = -1e30
/** What early configurations say for `eos_token_id` although their tokenizer ends texts with another token. */
const LEGACY_EOS = 2

export function parseClipConfig(json: Json, where: string): ClipConfig {
  const fields = new Fields(json, where)
  fields.choice('model_type', ['clip_text_model'], 'clip_text_model')
  const config: ClipConfig = {
    width: fields.count('hidden_size', 512),
    heads: fields.count('num_attention_heads', 8),
    layers: fields.count('num_hidden_layers', 12),
    positions: fields.count('max_position_embeddings', 77),
    epsilon: fields.number('layer_norm_eps', 1e-5),
    activation: fields.choice('hidden_act', ['quick_gelu', 'gelu'], 'quick_gelu'),
    eosToken: fields.number('eos_token_id', 49407),
  }
  fields.require(config.width % config.heads === 0, 'hidden_size must be a multiple of num_attention_heads')
  fields.done()
  return config
}

/** [1, 1, T, T]: 0 where a token may look, a large negative number at later tokens. */
export function causalBias(tokens: number): Tensor {
  const data = new Float32Array(tokens * tokens)
  for (let row = 0; row < tokens; row++) data.fill(NEVER, row * tokens + row + 1, (row + 1) * tokens)
  return tensor(data, [1, 1, tokens, tokens])
}

/** One layer; text is looked at through `bias`, pictures without. */
export function clipLayer(
  g: Graph,
  c: Pick<ClipConfig, 'heads' | 'epsilon' | 'activation'>,
  at: WeightLookup,
  x: Value,
  bias: Value | null,
): Value {
  const norm = (name: string, value: Value): Value =>
    layerNorm(g, value, at.at(`${name}.weight`), at.at(`${name}.bias`), c.epsilon)
  const project = (name: string, value: Value): Value => linear(g, value, at.linear(name), 3)
  const normed = norm('layer_norm1', x)
  const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map((name) => project(`self_attn.${name}`, normed))
  const mixed = attention(g, q!, k!, v!, { heads: c.heads, ...(bias ? { bias } : {}) })
  const attended = g.op('Add', [x, project('self_attn.out_proj', mixed)])
  const inner = project('mlp.fc1', norm('layer_norm2', attended))
  const active = c.activation === 'gelu' ? geluErf(g, inner) : quickGelu(g, inner)
  return g.op('Add', [attended, project('mlp.fc2', active)])
}

/** Of CLIPTextModelWithProjection, which projects the pooled text. */
const PROJECTION = 'text_projection.weight'
/** The same [width, P] as OpenCLIP keeps it. */
const OPEN_CLIP_PROJECTION = 'text_projection'

/**
 * ids [B, T] and bias [1, 1, T, T] -> last [B, T, width], penultimate [B, T, width] (before the last layer), skipped (that under the final
 * norm) and, where the weights have a projection, projected [B, T, P]; with taps `hidden.k` after k layers as well.
 */
export function clipGraph(c: ClipConfig, weights: WeightLookup, taps = false): Model {
  const g = new Graph()
  const at = weights.in('text_model')
  const ids = g.input('ids', ['B', 'T'], 'i64')
  const bias = g.input('bias', [1, 1, 'T', 'T'])
  const positions = g.weight(at.at('embeddings.position_embedding.weight', 2))
  const length = g.op('Shape', [ids], { start: 1, end: 2 })
  const used = g.op('Slice', [positions, g.ints([0]), length, g.ints([0])])
  const [weight, offset] = ['weight', 'bias'].map((leaf) => at.at(`final_layer_norm.${leaf}`))
  const normed = (state: Value): Value => layerNorm(g, state, weight!, offset!, c.epsilon)
  let x = g.op('Add', [embedding(g, at.at('embeddings.token_embedding.weight', 2), ids), used])
  for (let i = 0; i < c.layers; i++) {
    if (taps) g.output(`hidden.${i}`, x, ['B', 'T', c.width])
    if (i + 1 === c.layers) {
      g.output('penultimate', x, ['B', 'T', c.width])
      g.output('skipped', normed(x), ['B', 'T', c.width])
    }
    x = clipLayer(g, c, at.in(`encoder.layers.${i}`), x, bias)
  }
  if (taps) g.output(`hidden.${c.layers}`, x, ['B', 'T', c.width])
  const last = normed(x)
  g.output('last', last, ['B', 'T', c.width])
  if (weights.has(PROJECTION)) {
    const projection = weights.at(PROJECTION, 2)
    g.output('projected', linear(g, last, { weight: projection, bias: null }, 3), ['B', 'T', projection.shape[0] ?? 0])
  } else if (weights.has(OPEN_CLIP_PROJECTION)) {
    const projection = weights.at(OPEN_CLIP_PROJECTION, 2)
    const projected = g.op('MatMul', [last, g.weight(projection)])
    g.output('projected', projected, ['B', 'T', projection.shape[1] ?? 0])
  }
  return g.build()
}

/**
 * Which token's final state is the pooled text: the first end-of-text token, or the largest id where the configuration has the
 * legacy `eos_token_id` 2 (end-of-text is the last entry of CLIP's vocabulary).
 */
export function pooledIndex(ids: readonly number[], eosToken: number): number {
  if (eosToken === LEGACY_EOS) return ids.indexOf(ids.reduce((a, b) => Math.max(a, b), 0))
  return Math.max(0, ids.indexOf(eosToken))
}

/** Row `index` of [1, T, width] as [1, width]. */
export function pooledRow(last: Tensor, index: number): Tensor {
  const width = last.shape[2] ?? 0
  return tensor(last.data.slice(index * width, (index + 1) * width), [1, width])
}
