/** What each file in text/kinds/ exports: one kind of text encoder, recognised by its keys, and what it is opened from. */
import type { Weights } from '../../onnx/weights.ts'
import type { Json, Releasable } from '../family.ts'
import type { TokenizerPlaces } from './tokenizer.ts'

/** One text encoder on disk. */
export interface EncoderSource {
  /** By the names that transformers saves this kind under. */
  readonly weights: Weights
  /** config.json beside the weights; null where sizes have to come from the shapes. */
  readonly config: Json | null
  readonly tokenizer: TokenizerPlaces
  /** Tokens of a text, where the family says so and the tokenizer does not say fewer. */
  readonly tokens: number | null
}

/** The default export of `text/kinds/<name>.ts`. */
export interface EncoderKind<E extends Releasable = Releasable> {
  /** For messages, and the folder in tokenizers/ that loose files take theirs from: 'clip', 't5'. */
  readonly name: string
  /** `model_type` in config.json files of this kind; another's config.json beside a file is not read. */
  readonly modelTypes: readonly string[]
  /** Ends of keys: every file of this kind has one of them, and what stands before it is the prefix. */
  readonly signs: readonly string[]
  /** Tensors (prefix taken off) by the names that transformers uses, or null when they are another kind's after all. */
  canonical(tensors: Weights['tensors']): Weights['tensors'] | null
  /** Width of the states it gives, from canonical tensors: encoders of one kind are told apart by it. */
  width(tensors: Weights['tensors']): number
  open(source: EncoderSource): Promise<E>
}
