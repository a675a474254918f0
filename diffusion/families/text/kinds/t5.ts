/** T5's encoder (v1.1), which FLUX, SD3 and PixArt read prompts with. */
import type { Weights } from '../../../onnx/weights.ts'
import { T5_TOKENS, T5Encoder } from '../encoders.ts'
import type { EncoderKind } from '../kind.ts'
import { parseT5Config, type T5Config } from '../t5.ts'
import { openTokenizerAt } from '../tokenizer.ts'

const ATTENTION = (block: number): string => `encoder.block.${block}.layer.0.SelfAttention`
const QUERY = `${ATTENTION(0)}.q.weight`
const TABLE = (block: number): string => `${ATTENTION(block)}.relative_attention_bias.weight`
/** Head size of every published T5 v1.1. */
const HEAD = 64

const extent = (tensors: Weights['tensors'], key: string, axis: number): number => tensors.get(key)?.shape[axis] ?? 0

function inferred({ tensors, where }: Weights): T5Config {
  const inner = extent(tensors, QUERY, 0)
  const heads = extent(tensors, TABLE(0), 1)
  if (heads === 0 || inner % heads !== 0) throw new Error(`${where}: no '${TABLE(0)}' [buckets, heads]`)
  if (inner / heads !== HEAD) throw new Error(`${where}: heads of ${inner / heads} values need config.json beside it`)
  let layers = 0
  while (tensors.has(`${ATTENTION(layers)}.q.weight`)) layers++
  return {
    ...{ heads, layers },
    width: extent(tensors, QUERY, 1),
    epsilon: 1e-6,
    buckets: extent(tensors, TABLE(0), 0),
    maxDistance: 128,
  }
}

export default {
  name: 't5',
  modelTypes: ['t5'],
  signs: [QUERY],
  // A table in every layer is UMT5's.
  canonical: (tensors) => (tensors.has(TABLE(1)) ? null : tensors),
  width: (tensors) => extent(tensors, QUERY, 1),
  async open({ weights, config, tokenizer, tokens }) {
    const parsed = config ? parseT5Config(config, `config.json of ${weights.where}`) : inferred(weights)
    const options = { limit: tokens ?? T5_TOKENS, name: 'the T5 text encoder' }
    return new T5Encoder(parsed, weights, await openTokenizerAt(tokenizer, options))
  },
} satisfies EncoderKind<T5Encoder>
