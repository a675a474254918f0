/** A text encoder's tokenizer: from its definition to a list of token ids of the encoder's fixed length. */
import { Tokenizer } from '@huggingface/tokenizers'
import type { Json } from '../family.ts'
import type { WeightedText } from './emphasis.ts'

const QUOTED = 40
/** Stretches of fewer tokens are not divided between two sections, as ComfyUI has it. */
const WHOLE = 8
/** Most sections of a text. */
const MOST_SECTIONS = 32

/** Ids above this are no tokens: the library fills a table up to the largest, and a billion takes it minutes. */
const MOST_TOKENS = 1 << 22

const isId = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0 && Number(value) < MOST_TOKENS

/** Why the ids of this definition cannot be meant; null when they can. Lists of pieces with scores have no ids of their own. */
function faultOfIds(json: Json): string | null {
  const { vocab } = (json['model'] ?? {}) as { vocab?: unknown }
  const added: readonly unknown[] = Array.isArray(json['added_tokens']) ? json['added_tokens'] : []
  const ids = added.map((token) => (token as { id?: unknown } | null)?.id)
  if (typeof vocab === 'object' && vocab !== null && !Array.isArray(vocab))
    for (const id of Object.values(vocab)) ids.push(id)
  else if (Array.isArray(vocab) && !vocab.every((piece) => Array.isArray(piece)))
    return 'model.vocab is a list of other things than pieces with scores'
  const strange = ids.find((id) => !isId(id))
  return strange === undefined
    ? null
    : `expected whole numbers below ${MOST_TOKENS} as token ids, found ${JSON.stringify(strange)}`
}

/** One of the pieces of fixed length that a long text is encoded in. */
export interface Section {
  /** `limit` ids: a part of the text between the special tokens, then padding. */
  readonly ids: readonly number[]
  /** Of each id; special tokens and padding weigh 1. */
  readonly weights: readonly number[]
}

/** Turns texts into ids, padded and cut to `limit`. */
export class TextTokenizer {
  /** Ids in every result. */
  readonly limit: number
  /** One more than the largest id it gives: rows that an embedding table must have. */
  readonly size: number
  readonly #tokenizer: Tokenizer
  readonly #pad: number
  readonly #name: string
  /** Special tokens before and after a text. */
  readonly #frame: readonly [before: readonly number[], after: readonly number[]]
  /** No more characters than this can fit into `limit` tokens. */
  readonly #longest: number

  /** `name` stands in warnings; `config` is tokenizer_config.json. */
  constructor(json: Json, config: Json, limit: number, name: string) {
    const fault = faultOfIds(json)
    if (fault) throw new Error(`${name}: ${fault}`)
    this.#tokenizer = new Tokenizer(json, config)
    this.limit = limit
    this.#name = name
    const vocabulary = this.#tokenizer.get_vocab(true)
    this.size = [...vocabulary.values()].reduce((a, b) => Math.max(a, b), 0) + 1
    this.#longest = limit * [...vocabulary.keys()].reduce((longest, token) => Math.max(longest, token.length), 1)
    const framed: readonly number[] = this.#tokenizer.encode('a').ids
    const bare = this.#plain('a')
    const before = framed.findIndex((_, i) => bare.every((id, k) => framed[i + k] === id))
    this.#frame = [framed.slice(0, before), framed.slice(before + bare.length)]
    const pad = config['pad_token'] ?? config['eos_token']
    const token = typeof pad === 'object' && pad !== null ? (pad as { content?: unknown }).content : pad
    this.#pad = this.#tokenizer.token_to_id(String(token)) ?? framed.at(-1) ?? 0
  }

  #plain(text: string): number[] {
    return this.#tokenizer.encode(text, { add_special_tokens: false }).ids
  }

  /** Cuts a text that cannot fit before the tokenizer sees it: 100 kB would take it seconds. */
  #clipped(text: string): string {
    if (text.length <= this.#longest) return text
    const squeezed = text.replace(/\s+/gu, ' ').slice(0, this.#longest)
    // Not in the middle of a surrogate pair.
    return squeezed.replace(/[\uD800-\uDBFF]$/, '')
  }

  /** `limit` ids: the text between its special tokens, then padding. What does not fit is cut, and `onWarning` told. */
  encode(text: string, onWarning?: (message: string) => void): readonly number[] {
    const ids = this.bare(text, this.limit, onWarning)
    return [...ids, ...new Array<number>(this.limit - ids.length).fill(this.#pad)]
  }

  /** At most `limit` ids: the text between its special tokens, without padding. What does not fit is cut, and `onWarning` told. */
  bare(text: string, limit = this.limit, onWarning?: (message: string) => void): readonly number[] {
    const [before, after] = this.#frame
    const room = limit - before.length - after.length
    const ids = this.#plain(this.#clipped(text))
    if (ids.length > room) {
      const lost = this.#tokenizer
        .decode(ids.slice(room, room + QUOTED))
        .trim()
        .slice(0, QUOTED)
      onWarning?.(`${this.#name} takes ${room} tokens; the text has more and is cut before "${lost}..."`)
    }
    return [...before, ...ids.slice(0, room), ...after]
  }

  /** The whole text in as many sections as it takes, one at least; beyond the 32nd it is cut, and `onWarning` told. */
  sections(parts: readonly WeightedText[], onWarning?: (message: string) => void): readonly Section[] {
    const [before, after] = this.#frame
    const room = this.limit - before.length - after.length
    const pieces: { id: number; weight: number }[][] = [[]]
    for (const { text, weight } of parts) {
      let group = this.#plain(text.slice(0, MOST_SECTIONS * this.#longest)).map((id) => ({ id, weight }))
      const isLarge = group.length >= WHOLE
      while (group.length > 0) {
        const left = room - pieces.at(-1)!.length
        const taken = group.length <= left ? group.length : isLarge || left === room ? left : 0
        pieces.at(-1)!.push(...group.slice(0, taken))
        group = group.slice(taken)
        if (group.length > 0) pieces.push([])
      }
      if (pieces.length > MOST_SECTIONS) break
    }
    if (pieces.length > MOST_SECTIONS)
      onWarning?.(`${this.#name} takes ${MOST_SECTIONS} times ${room} tokens; the text has more and is cut`)
    return pieces.slice(0, MOST_SECTIONS).map((piece) => {
      const framed = [...before, ...piece.map(({ id }) => id), ...after]
      const ids = [...framed, ...new Array<number>(this.limit - framed.length).fill(this.#pad)]
      return { ids, weights: ids.map((_, i) => piece[i - before.length]?.weight ?? 1) }
    })
  }

  /** How many of these ids come before the padding. */
  unpadded(ids: readonly number[]): number {
    return ids.findLastIndex((id) => id !== this.#pad) + 1
  }
}
