/** A tokenizer's definition from a SentencePiece model (`spiece.model`), the form in which T5's came first. */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import type { Json } from '../family.ts'

/** Kinds of pieces in a SentencePiece model. */
const UNKNOWN = 2
const CONTROL = 3
const USER_DEFINED = 4
const BYTE = 6
/** Model types of the trainer. */
const UNIGRAM = 1
/** More than any published vocabulary: UMT5 has 256 384. */
const PIECE_LIMIT = 1_000_000
const END = '</s>'

interface Piece {
  readonly text: string
  readonly score: number
  readonly kind: number
}

type Read = (field: number, wire: WireType, reader: BinaryReader) => boolean

/** Reads a message field by field; what `read` does not know is skipped. */
function eachField(bytes: Uint8Array, read: Read): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag()
    if (!read(field, wire, reader)) reader.skip(wire, field)
  }
}

function readPiece(bytes: Uint8Array): Piece {
  let [text, score, kind] = ['', 0, 1]
  eachField(bytes, (field, wire, reader) => {
    if (field === 1 && wire === WireType.LengthDelimited) text = reader.string()
    else if (field === 2 && wire === WireType.Bit32) score = reader.float()
    else if (field === 3 && wire === WireType.Varint) kind = reader.int32()
    else return false
    return true
  })
  return { text, score, kind }
}

/** One field of a message, or `fallback`. */
function fieldOf<T>(
  bytes: Uint8Array,
  wanted: number,
  expected: WireType,
  take: (r: BinaryReader) => T,
  fallback: T,
): T {
  let found = fallback
  eachField(bytes, (field, wire, reader) => {
    if (field !== wanted || wire !== expected) return false
    found = take(reader)
    return true
  })
  return found
}

interface SentencePieceModel {
  readonly pieces: readonly Piece[]
  readonly type: number
  /** What the normaliser replaces, compiled; empty for none. */
  readonly charsmap: Uint8Array
}

function readModel(bytes: Uint8Array): SentencePieceModel {
  const pieces: Piece[] = []
  let [trainer, normalizer] = [new Uint8Array(), new Uint8Array()]
  eachField(bytes, (field, wire, reader) => {
    if (wire !== WireType.LengthDelimited || field > 3) return false
    const part = reader.bytes()
    if (field === 1) pieces.push(readPiece(part))
    else if (field === 2) trainer = new Uint8Array(part)
    else normalizer = new Uint8Array(part)
    if (pieces.length > PIECE_LIMIT) throw new Error(`more than ${PIECE_LIMIT} pieces`)
    return true
  })
  return {
    pieces,
    type: fieldOf(trainer, 3, WireType.Varint, (reader) => reader.int32(), UNIGRAM),
    charsmap: fieldOf(normalizer, 2, WireType.LengthDelimited, (reader) => reader.bytes(), new Uint8Array()),
  }
}

/** Where the model brings no normaliser of its own. */
const PLAIN = { type: 'NFKC' }

/**
 * The definition that T5TokenizerFast saves, from the bytes of a unigram SentencePiece model: words are split at white space, and every text
 * ends with `</s>`. Throws when the bytes are no such model.
 */
export function sentencePieceJson(bytes: Uint8Array): Json {
  const { pieces, type, charsmap } = readModel(bytes)
  if (type !== UNIGRAM) throw new Error(`a SentencePiece model of type ${type}; expected a unigram model (${UNIGRAM})`)
  const [unknown, end] = [
    pieces.findIndex(({ kind }) => kind === UNKNOWN),
    pieces.findIndex(({ text }) => text === END),
  ]
  if (unknown < 0 || end < 0) throw new Error(`no SentencePiece model with an unknown piece and ${END}`)
  const special = ({ kind }: Piece): boolean => kind === UNKNOWN || kind === CONTROL || kind === USER_DEFINED
  const metaspace = { type: 'Metaspace', replacement: '\u2581', add_prefix_space: true, prepend_scheme: 'always' }
  return {
    version: '1.0',
    added_tokens: pieces.flatMap((piece, id) =>
      special(piece) ? [{ id, content: piece.text, special: piece.kind !== USER_DEFINED, normalized: false }] : [],
    ),
    normalizer:
      charsmap.length > 0
        ? { type: 'Precompiled', precompiled_charsmap: Buffer.from(charsmap).toString('base64') }
        : PLAIN,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: END, type_id: 0 } }],
      pair: [],
      special_tokens: { [END]: { id: END, ids: [end], tokens: [END] } },
    },
    decoder: metaspace,
    model: {
      type: 'Unigram',
      unk_id: unknown,
      byte_fallback: pieces.some(({ kind }) => kind === BYTE),
      vocab: pieces.map(({ text, score }) => [text, score]),
    },
  }
}
