/** A byte-level BPE tokenizer (Qwen's) from `vocab.json` and `merges.txt`, where a repository carries no tokenizer.json. */
import type { Json } from '../family.ts'

/** How Qwen cuts a text into words before it merges bytes; the same as GPT-4's but for digits, which stand alone. */
const WORDS =
  "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/** Tokens that stand for themselves, of `added_tokens_decoder` in tokenizer_config.json. */
const addedTokens = (config: Json | null): readonly Json[] =>
  Object.entries((config?.['added_tokens_decoder'] ?? {}) as Json).map(([id, token]) => ({
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    ...(token as Json),
    id: Number(id),
  }))

/** The definition that Qwen2TokenizerFast saves; `config` is tokenizer_config.json. */
export function byteTokenizerJson(vocab: Json, merges: string, config: Json | null): Json {
  const lines = merges.split('\n').filter((line) => line !== '' && !line.startsWith('#version'))
  return {
    version: '1.0',
    added_tokens: addedTokens(config),
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false },
    model: { type: 'BPE', unk_token: null, fuse_unk: false, vocab, merges: lines },
  }
}
