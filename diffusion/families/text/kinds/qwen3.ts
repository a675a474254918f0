/** Qwen3, which Z-Image reads prompts with: LLaMA with norms of the heads. */
import { DecoderEncoder } from '../decoder.ts'
import type { EncoderKind } from '../kind.ts'
import { inferLlamaConfig, isDecoder } from '../llama-shapes.ts'
import { parseLlamaConfig } from '../llama.ts'
import { openTokenizerAt } from '../tokenizer.ts'

const MODEL_TYPES = ['qwen3']
/** Base of the rotary frequencies, and head size. */
const QWEN_3 = { theta: 1_000_000, headSize: 128, epsilon: 1e-6 }
/** Most tokens, template and all, where the family does not say. */
const TOKENS = 512

export default {
  name: 'qwen3',
  modelTypes: MODEL_TYPES,
  signs: ['layers.0.mlp.gate_proj.weight'],
  canonical: (tensors) => (isDecoder(tensors, { bias: false, headNorm: true }) ? tensors : null),
  width: (tensors) => tensors.get('embed_tokens.weight')?.shape[1] ?? 0,
  async open({ weights, config, tokenizer, tokens }) {
    const parsed = config
      ? parseLlamaConfig(config, `config.json of ${weights.where}`, MODEL_TYPES)
      : inferLlamaConfig(weights, QWEN_3)
    const options = { limit: tokens ?? TOKENS, name: 'the Qwen3 text encoder' }
    return new DecoderEncoder(parsed, weights, await openTokenizerAt(tokenizer, options), 'Qwen3')
  },
} satisfies EncoderKind<DecoderEncoder>
