/** LLaMA, which HunyuanVideo reads prompts with (Llava-LLaMA-3-8B without its eyes). */
import type { Weights } from '../../../onnx/weights.ts'
import { DecoderEncoder } from '../decoder.ts'
import type { EncoderKind } from '../kind.ts'
import { inferLlamaConfig, isDecoder } from '../llama-shapes.ts'
import { parseLlamaConfig } from '../llama.ts'
import { openTokenizerAt } from '../tokenizer.ts'

/** Of Llama 3: base of the rotary frequencies, and head size. */
const LLAMA_3 = { theta: 500_000, headSize: 128, epsilon: 1e-5 }
/** Most tokens, template and all, where the family does not say. */
const TOKENS = 512

export default {
  name: 'llama',
  modelTypes: ['llama'],
  signs: ['layers.0.mlp.gate_proj.weight'],
  canonical: (tensors: Weights['tensors']) => (isDecoder(tensors, { bias: false, headNorm: false }) ? tensors : null),
  width: (tensors) => tensors.get('embed_tokens.weight')?.shape[1] ?? 0,
  async open({ weights, config, tokenizer, tokens }) {
    const parsed = config
      ? parseLlamaConfig(config, `config.json of ${weights.where}`, ['llama'])
      : inferLlamaConfig(weights, LLAMA_3)
    const options = { limit: tokens ?? TOKENS, name: 'the LLaMA text encoder' }
    return new DecoderEncoder(parsed, weights, await openTokenizerAt(tokenizer, options), 'LLaMA')
  },
} satisfies EncoderKind<DecoderEncoder>
