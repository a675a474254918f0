/** UMT5's encoder, which WAN reads prompts with: T5 with a table of relative positions in every layer. */
import { T5_TOKENS, T5Encoder } from '../encoders.ts'
import type { EncoderKind } from '../kind.ts'
import { hasTableInEach, inferT5Config, parseT5Config, T5_SIGN } from '../t5.ts'
import { openTokenizerAt } from '../tokenizer.ts'

export default {
  name: 'umt5',
  modelTypes: ['umt5'],
  signs: [T5_SIGN],
  canonical: (tensors) => (hasTableInEach(tensors) ? tensors : null),
  width: (tensors) => tensors.get(T5_SIGN)?.shape[1] ?? 0,
  async open({ weights, config, tokenizer, tokens }) {
    const parsed = config ? parseT5Config(config, `config.json of ${weights.where}`) : inferT5Config(weights)
    const options = { limit: tokens ?? T5_TOKENS, name: 'the UMT5 text encoder' }
    return new T5Encoder(parsed, weights, await openTokenizerAt(tokenizer, options))
  },
} satisfies EncoderKind<T5Encoder>
