/** T5's encoder (v1.1), which FLUX, SD3 and PixArt read prompts with. */
import { T5_TOKENS, T5Encoder } from '../encoders.ts'
import type { EncoderKind } from '../kind.ts'
import { hasTableInEach, inferT5Config, parseT5Config, T5_SIGN } from '../t5.ts'
import { openTokenizerAt } from '../tokenizer.ts'

export default {
  name: 't5',
  modelTypes: ['t5'],
  signs: [T5_SIGN],
  // A table in every layer is UMT5's.
  canonical: (tensors) => (hasTableInEach(tensors) ? null : tensors),
  width: (tensors) => tensors.get(T5_SIGN)?.shape[1] ?? 0,
  async open({ weights, config, tokenizer, tokens }) {
    const parsed = config ? parseT5Config(config, `config.json of ${weights.where}`) : inferT5Config(weights)
    const options = { limit: tokens ?? T5_TOKENS, name: 'the T5 text encoder' }
    return new T5Encoder(parsed, weights, await openTokenizerAt(tokenizer, options))
  },
} satisfies EncoderKind<T5Encoder>
