/** Finds text encoders in weights of any origin: by the ends of their keys, whatever stands before them. */
import type { StoredTensor, Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { loadEncoderKinds } from '../registry.ts'
import type { EncoderKind } from './kind.ts'
import type { LooseSource, TextNeeds } from './needs.ts'
import type { TokenizerPlaces } from './tokenizer.ts'

/** Key of the SentencePiece model that ComfyUI's files of UMT5 bring along. */
const EMBEDDED = 'spiece_model'

/** A text encoder inside a file. */
export interface FoundEncoder {
  readonly kind: EncoderKind
  /** What stands before its keys: 'text_encoders.clip_l.transformer.'. */
  readonly prefix: string
  /** By the names that transformers uses. */
  readonly weights: Weights
  readonly width: number
  readonly embedded: StoredTensor | null
}

function below(tensors: Weights['tensors'], prefix: string): Weights['tensors'] {
  if (prefix === '') return tensors
  return new Map(
    [...tensors].filter(([key]) => key.startsWith(prefix)).map(([key, t]) => [key.slice(prefix.length), t]),
  )
}

/** Every text encoder in `weights`, narrowest first. */
export async function findEncoders({ tensors, where }: Weights): Promise<readonly FoundEncoder[]> {
  const kinds = await loadEncoderKinds()
  const found = kinds.flatMap((kind) => {
    const ends = [...tensors.keys()].flatMap((key) => {
      const sign = kind.signs.find((one) => key.endsWith(one))
      return sign === undefined ? [] : [key.slice(0, -sign.length)]
    })
    return [...new Set(ends)].flatMap((prefix): FoundEncoder[] => {
      const own = below(tensors, prefix)
      const canonical = kind.canonical(own)
      if (!canonical) return []
      const weights = { where, tensors: canonical }
      return [{ kind, prefix, weights, width: kind.width(canonical), embedded: own.get(EMBEDDED) ?? null }]
    })
  })
  return found.sort((a, b) => a.width - b.width)
}

/** Where the tokenizers of loose files lie. */
export interface TokenizerFolders {
  /** Folders of a kind's tokenizers, looked into in this order: 'tokenizers/t5' of every model folder. */
  of(kind: string): readonly string[]
}

function placesOf(
  { kind, embedded }: FoundEncoder,
  beside: readonly string[],
  shared: TokenizerFolders,
): TokenizerPlaces {
  const folders = [...beside, ...shared.of(kind.name)]
  const best = shared.of(kind.name)[0]
  const advice =
    best === undefined
      ? null
      : `Put the tokenizer that belongs to it (tokenizer.json is enough) into ${best}, or beside the file in a folder of its name`
  return { folders, embedded, advice }
}

/** A found encoder, with the folders beside its file where a tokenizer of its own may lie, and the config.json there. */
export interface PlacedEncoder {
  readonly found: FoundEncoder
  readonly beside: readonly string[]
  readonly config: Json | null
}

/**
 * The encoders that a family takes, by slot: those of one kind in order of width, the slots of that kind in their order. What no slot wants is
 * left over. Throws, naming the slot, when one that is not optional stays empty.
 */
export function fillSlots(
  needs: TextNeeds,
  encoders: readonly PlacedEncoder[],
  tokenizers: TokenizerFolders,
  where: string,
): Readonly<Record<string, LooseSource>> {
  const left = [...encoders].sort((a, b) => a.found.width - b.found.width)
  const sources: Record<string, LooseSource> = {}
  const empty: string[] = []
  for (const [name, slot] of Object.entries(needs.slots)) {
    const index = left.findIndex(({ found }) => found.kind.name === slot.kind.name)
    const [taken] = index < 0 ? [] : left.splice(index, 1)
    if (!taken) {
      if (!slot.optional) empty.push(`${name} (${slot.kind.name})`)
      continue
    }
    const { found, beside, config } = taken
    const isOwn = config !== null && found.kind.modelTypes.includes(String(config['model_type']))
    sources[name] = {
      weights: found.weights,
      config: isOwn ? config : null,
      tokenizer: placesOf(found, beside, tokenizers),
    }
  }
  if (empty.length > 0) {
    const given = encoders.map(({ found }) => `${found.kind.name} of width ${found.width}`).join(', ') || 'none'
    throw new Error(`${where}: text encoders missing: ${empty.join(', ')}; given: ${given}`)
  }
  return sources
}
