/** Puts a whole diffusers folder together from the tiny reference models, with tokenizers of a few words. */
import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')

const [START, END] = ['<|startoftext|>', '<|endoftext|>']
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'.split('')

/** vocab.json and merges.txt in CLIP's form: letters inside and at the end of words, and 'ab'. */
const clipVocabulary: Readonly<Record<string, number>> = Object.fromEntries(
  [...LETTERS, ...LETTERS.map((letter) => `${letter}</w>`), 'ab</w>', START, END].map((token, id) => [token, id]),
)

const t5Words = ['<pad>', '</s>', '<unk>', '\u2581', '\u2581red', '\u2581house', ...LETTERS]
const t5Tokenizer = {
  version: '1.0',
  added_tokens: ['<pad>', '</s>', '<unk>'].map((content, id) => ({ id, content, special: true })),
  normalizer: { type: 'NFKC' },
  pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', add_prefix_space: true, prepend_scheme: 'always' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
    pair: [],
    special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
  },
  decoder: { type: 'Metaspace', replacement: '\u2581', add_prefix_space: true },
  model: { type: 'Unigram', unk_id: 2, vocab: t5Words.map((word, i) => [word, i < 3 ? 0 : -word.length]) },
}

/** Writes a FluxPipeline folder: transformer flux-dev-a, vae-kl-a, clip-l-a, t5-v11-a (whose widths are not the transformer's). */
export async function writeTinyCheckpoint(folder: string): Promise<void> {
  const json = (path: string, value: unknown) => writeFile(join(folder, path), JSON.stringify(value))
  for (const part of ['tokenizer', 'tokenizer_2', 'scheduler']) await mkdir(join(folder, part), { recursive: true })
  for (const [from, to] of [
    ['flux-dev-a', 'transformer'],
    ['vae-kl-a', 'vae'],
    ['clip-l-a', 'text_encoder'],
    ['t5-v11-a', 'text_encoder_2'],
  ] as const)
    await cp(join(fixtures, from), join(folder, to), { recursive: true })
  await json('model_index.json', { _class_name: 'FluxPipeline' })
  await json('scheduler/scheduler_config.json', { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 })
  await json('tokenizer/vocab.json', clipVocabulary)
  await writeFile(join(folder, 'tokenizer/merges.txt'), '#version: 0.2\na b</w>\n')
  await json('tokenizer/tokenizer_config.json', { model_max_length: 77, pad_token: END })
  await json('tokenizer_2/tokenizer.json', t5Tokenizer)
  await json('tokenizer_2/tokenizer_config.json', { model_max_length: 12, pad_token: '<pad>' })
}
