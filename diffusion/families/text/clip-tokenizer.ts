/** CLIP's tokenizer from the two files that older repositories carry instead of a tokenizer.json. */
import type { Json } from '../family.ts'

/** The word that CLIP's texts begin with. */
export const CLIP_START = '<|startoftext|>'
const END = '<|endoftext|>'
/** How CLIP cuts a text into words before it merges bytes (OpenAI's simple_tokenizer). */
const WORDS = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"

const special = (content: string, id: unknown): Json => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
})

/** The definition that CLIPTokenizerFast saves, from `vocab.json` and the text of `merges.txt`. */
export function clipTokenizerJson(vocab: Json, merges: string): Json {
  const lines = merges.split('\n').filter((line) => line !== '' && !line.startsWith('#version'))
  return {
    version: '1.0',
    added_tokens: [special(CLIP_START, vocab[CLIP_START]), special(END, vocab[END])],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Removed', invert: true },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [END, vocab[END]],
      cls: [CLIP_START, vocab[CLIP_START]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
    model: { type: 'BPE', unk_token: END, end_of_word_suffix: '</w>', fuse_unk: false, vocab, merges: lines },
  }
}
