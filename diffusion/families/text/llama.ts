/** Decoder-only language models that read prompts (LLaMA and its descendants Mistral, Qwen2, Qwen3): sizes, graph, rotary tables. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { attention, embedding, linear, rmsNorm, silu } from '../../onnx/ops.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import type { WeightLookup } from '../lookup.ts'
import { rotaryTables, type RotaryTables } from '../shared/rotary.ts'

export interface LlamaConfig {
  readonly width: number
  readonly heads: number
  /** Heads of keys and values, each of which serves as many heads of queries (Ainslie et al. 2023). */
  readonly keyHeads: number
  readonly headSize: number
  readonly layers: number
  readonly epsilon: number
  /** Base of the rotary frequencies. */
  readonly theta: number
}

/** Added to the scores of tokens that are not to be looked at: exp of it is 0 beside any score. */
const NEVER = -1e30

/** From config.json of one of these `model_type`s; `where` stands in front of the error that lists all faults. */
export function parseLlamaConfig(whole: Json, where: string, modelTypes: readonly string[]): LlamaConfig {
  // Of a model that also sees, the part that reads.
  const json = (whole['text_config'] ?? whole) as Json
  const fields = new Fields(json, where)
  // Newer configurations keep what concerns positions together.
  const rotary = (json['rope_parameters'] ?? json['rope_scaling'] ?? {}) as Json
  fields.choice('model_type', modelTypes)
  fields.choice('hidden_act', ['silu'], 'silu')
  const [width, heads] = [fields.count('hidden_size', 4096), fields.count('num_attention_heads', 32)]
  const config: LlamaConfig = {
    ...{ width, heads },
    keyHeads: fields.count('num_key_value_heads', heads),
    headSize: fields.count('head_dim', Math.max(1, Math.floor(width / heads))),
    layers: fields.count('num_hidden_layers', 32),
    epsilon: fields.number('rms_norm_eps', 1e-6),
    theta: fields.number('rope_theta', Number(rotary['rope_theta'] ?? 10_000)),
  }
  fields.require(heads % config.keyHeads === 0, 'num_attention_heads must be a multiple of num_key_value_heads')
  fields.require(config.headSize % 2 === 0, `head_dim ${config.headSize} must be even`)
  // Of the multimodal ones (mrope) text alone has the same place on every axis, which is the plain form.
  const kind = rotary['rope_type'] ?? rotary['type'] ?? 'default'
  fields.require(
    kind === 'default' || kind === 'mrope',
    `rope_scaling ${JSON.stringify(kind)} is not supported, only the plain form`,
  )
  fields.done()
  return config
}

/** Rotary tables [tokens, head size / 2] of the places 0, 1, 2, ... */
export const textRotation = (tokens: number, { headSize, theta }: LlamaConfig): RotaryTables =>
  rotaryTables(tokens, (token) => [token], { sizes: [headSize], theta })

/** [B, 1, T, T] for masks [B, T] (1 for text): 0 where a token may look, a large negative number at padding and at later tokens. */
export function decoderBias({ data, shape }: Tensor): Tensor {
  const [batch = 0, tokens = 0] = shape
  const bias = new Float32Array(batch * tokens * tokens).fill(NEVER)
  for (let b = 0; b < batch; b++)
    for (let query = 0; query < tokens; query++)
      for (let key = 0; key <= query; key++)
        if (data[b * tokens + key] === 1) bias[(b * tokens + query) * tokens + key] = 0
  return tensor(bias, [batch, 1, tokens, tokens])
}

interface Builder {
  readonly g: Graph
  readonly config: LlamaConfig
  /** [B, 1, T, T]. */
  readonly bias: Value
  /** [B, T, head size / 2]. */
  readonly cos: Value
  readonly sin: Value
}

/** Each head of [B, T, keyHeads * size] as often as heads of queries share it. */
function repeatHeads({ g, config: c }: Builder, x: Value): Value {
  const times = c.heads / c.keyHeads
  if (times === 1) return x
  const lead = g.once(`lead ${x.name}`, () => g.op('Shape', [x], { start: 0, end: 2 }))
  const shape = g.op('Concat', [lead, g.ints([c.keyHeads, times, c.headSize])], { axis: 0 })
  const apart = g.op('Reshape', [x, g.ints([0, 0, c.keyHeads, 1, c.headSize])])
  return g.op('Reshape', [g.op('Expand', [apart, shape]), g.ints([0, 0, c.heads * c.headSize])])
}

/** Turned queries or keys; normed by head first where the model has such norms (Qwen3). */
function turned(b: Builder, x: Value, heads: number, norm: string, at: WeightLookup): Value {
  const { g, config: c } = b
  let value = x
  if (at.has(norm)) {
    const byHead = g.op('Reshape', [x, g.ints([0, 0, heads, c.headSize])])
    value = g.op('Reshape', [rmsNorm(g, byHead, at.at(norm), c.epsilon), g.ints([0, 0, heads * c.headSize])])
  }
  return g.op('RotaryEmbedding', [value, b.cos, b.sin], { interleaved: 0, num_heads: heads })
}

function llamaLayer(b: Builder, at: WeightLookup, x: Value): Value {
  const { g, config: c } = b
  const project = (name: string, value: Value): Value => linear(g, value, at.linear(name), 3)
  const normed = rmsNorm(g, x, at.at('input_layernorm.weight'), c.epsilon)
  const own = at.in('self_attn')
  const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map((name) => linear(g, normed, own.linear(name), 3))
  const queries = turned(b, q!, c.heads, 'q_norm.weight', own)
  const keys = repeatHeads(b, turned(b, k!, c.keyHeads, 'k_norm.weight', own))
  const mixed = attention(g, queries, keys, repeatHeads(b, v!), { heads: c.heads, bias: b.bias })
  const attended = g.op('Add', [x, project('self_attn.o_proj', mixed)])
  const inner = rmsNorm(g, attended, at.at('post_attention_layernorm.weight'), c.epsilon)
  const gate = silu(g, project('mlp.gate_proj', inner))
  return g.op('Add', [attended, project('mlp.down_proj', g.op('Mul', [gate, project('mlp.up_proj', inner)]))])
}

/**
 * ids [B, T], bias [B, 1, T, T], cos and sin [T, head size / 2] -> `state.k` [B, T, width] for each of `states`: 0 is the embeddings, k
 * the state after k layers, and that after all of them normed. Layers that none of them needs are not run.
 */
export function llamaGraph(c: LlamaConfig, weights: WeightLookup, states: readonly number[]): Model {
  const g = new Graph()
  const ids = g.input('ids', ['B', 'T'], 'i64')
  const bias = g.input('bias', ['B', 1, 'T', 'T'])
  const lead = g.op('Shape', [ids])
  const table = (name: string): Value => {
    const shape = g.op('Concat', [lead, g.ints([c.headSize / 2])], { axis: 0 })
    return g.op('Expand', [g.input(name, ['T', c.headSize / 2]), shape])
  }
  const builder: Builder = { g, config: c, bias, cos: table('cos'), sin: table('sin') }
  let x = embedding(g, weights.at('embed_tokens.weight', 2), ids)
  for (let done = 0; done <= Math.max(...states); done++) {
    if (done > 0) x = llamaLayer(builder, weights.in(`layers.${done - 1}`), x)
    const isLast = done === c.layers
    const state = isLast && states.includes(done) ? rmsNorm(g, x, weights.at('norm.weight'), c.epsilon) : x
    if (states.includes(done)) g.output(`state.${done}`, state, ['B', 'T', c.width])
  }
  return g.build()
}
