/** Qwen2 and the language model of Qwen2.5-VL, which Qwen-Image reads prompts with: LLaMA with biases. */
import { DecoderEncoder } from '../decoder.ts'
import type { EncoderKind } from '../kind.ts'
import { inferLlamaConfig, isDecoder } from '../llama-shapes.ts'
import { parseLlamaConfig } from '../llama.ts'
import { openTokenizerAt } from '../tokenizer.ts'

const MODEL_TYPES = ['qwen2_5_vl', 'qwen2', 'qwen2_5_vl_text']
/** Of Qwen2.5: base of the rotary frequencies, and head size. */
const QWEN_2_5 = { theta: 1_000_000, headSize: 128, epsilon: 1e-6 }
/** Most tokens, template and all, where the family does not say. */
const TOKENS = 1024

export default {
  name: 'qwen2',
  modelTypes: MODEL_TYPES,
  signs: ['layers.0.mlp.gate_proj.weight'],
  canonical: (tensors) => (isDecoder(tensors, { bias: true, headNorm: false }) ? tensors : null),
  width: (tensors) => tensors.get('embed_tokens.weight')?.shape[1] ?? 0,
  async open({ weights, config, tokenizer, tokens }) {
    const parsed = config
      ? parseLlamaConfig(config, `config.json of ${weights.where}`, MODEL_TYPES)
      : inferLlamaConfig(weights, QWEN_2_5)
    const options = { limit: tokens ?? TOKENS, name: 'the Qwen2 text encoder' }
    return new DecoderEncoder(parsed, weights, await openTokenizerAt(tokenizer, options), 'Qwen2')
  },
} satisfies EncoderKind<DecoderEncoder>
