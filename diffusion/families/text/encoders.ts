/** CLIP and T5 from text to vectors: tokenizer and model together, sessions opened at the first text. */
import { LazySession } from '../../onnx/lazy-session.ts'
import { chooseWeightMode, type Feed, type WeightMode } from '../../onnx/session.ts'
import { float32Bytes, type StoredTensor, type Weights } from '../../onnx/weights.ts'
import { concatRows, tensor, zeros, type Tensor } from '../../tensor.ts'
import { WeightLookup } from '../lookup.ts'
import { causalBias, clipGraph, pooledIndex, pooledRow, type ClipConfig } from './clip.ts'
import { emphasised, weightedTexts } from './emphasis.ts'
import { relativeBuckets, t5Graph, type T5Config } from './t5.ts'
import type { TextTokenizer } from './tokenizer.ts'

/** Told when a text is too long and what of it is lost. */
type OnWarning = ((message: string) => void) | undefined

/** Tokens that T5 takes where its tokenizer has no limit: what FLUX.1 was trained with. */
export const T5_TOKENS = 512
/** Added to the scores of tokens that are not to be looked at. */
const HIDDEN = -1e30

const modeFor = (weights: Weights): WeightMode => chooseWeightMode(float32Bytes(weights))

const asFeed = (ids: readonly number[]): Feed => ({ data: BigInt64Array.from(ids, BigInt), shape: [1, ids.length] })

function checkVocabulary(tokenizer: TextTokenizer, table: StoredTensor, name: string): void {
  const rows = table.shape[0] ?? 0
  if (tokenizer.size > rows)
    throw new Error(`${name}: the tokenizer gives ids up to ${tokenizer.size - 1}, '${table.name}' has ${rows} rows`)
}

/** States [1, T, width] one after another: [1, n T, width]. */
function inARow(parts: readonly Tensor[]): Tensor {
  const [first] = parts
  if (!first || parts.length === 1) return first!
  const joined = concatRows(parts)
  const [, tokens = 0, width = 0] = first.shape
  return tensor(joined.data, [1, parts.length * tokens, width])
}

/** What a text encoder of CLIP's kind gives, see `ClipEncoder.states`. */
export type ClipStates = Readonly<Record<'last' | 'penultimate' | 'skipped' | 'pooled', Tensor>>

/** CLIPTextModel with its tokenizer. */
export class ClipEncoder {
  /** Of a token's state, and of the pooled text before any projection. */
  readonly width: number
  readonly #config: ClipConfig
  readonly #tokenizer: TextTokenizer
  readonly #session: LazySession

  constructor(config: ClipConfig, weights: Weights, tokenizer: TextTokenizer) {
    const name = `CLIP text encoder ${weights.where}`
    const lookup = new WeightLookup(weights)
    checkVocabulary(tokenizer, lookup.at('text_model.embeddings.token_embedding.weight', 2), name)
    this.width = config.width
    this.#config = config
    this.#tokenizer = tokenizer
    this.#session = new LazySession(() => clipGraph(config, lookup), { mode: modeFor(weights), name })
  }

  /** The pooled text [1, width], as it is before any projection; weights inside the text do not change it. */
  async pooled(text: string, onWarning: OnWarning): Promise<Tensor> {
    const bare = weightedTexts(text).map((part) => part.text)
    const { last, end } = await this.#run(this.#tokenizer.encode(bare.join(''), onWarning))
    return pooledRow(last!, end)
  }

  /**
   * Every token's state [1, L, width] after the last layer and the final norm (`last`), before the last layer (`penultimate`), that under
   * the final norm (`skipped`); and the pooled text [1, P], projected where the model has a projection. As in ComfyUI a long text is
   * encoded in several sections, L being as many times the encoder's length, weights inside it move states away from those of an
   * empty text, and the pooled text is the first section's. `sections` asks for more than the text takes, with empty ones.
   */
  async states(text: string, onWarning: OnWarning, sections = 1): Promise<ClipStates> {
    const own = this.#tokenizer.sections(weightedTexts(text), onWarning)
    const blank = this.#tokenizer.encode('')
    const isWeighted = own.some(({ weights }) => weights.some((weight) => weight !== 1))
    const empty = isWeighted || own.length < sections ? await this.#run(blank) : null
    const all: ClipStates[] = []
    for (const { ids, weights } of own) {
      const { projected, end, last, penultimate, skipped } = await this.#run(ids)
      const weighed = (state: Tensor, none: Tensor | undefined): Tensor =>
        isWeighted && none ? emphasised(state, none, weights) : state
      all.push({
        last: weighed(last!, empty?.last),
        penultimate: weighed(penultimate!, empty?.penultimate),
        skipped: weighed(skipped!, empty?.skipped),
        pooled: pooledRow(projected ?? last!, end),
      })
    }
    const filled = (name: 'last' | 'penultimate' | 'skipped'): Tensor => {
      const more = new Array<Tensor | undefined>(Math.max(0, sections - own.length)).fill(empty?.[name])
      return inARow([...all.map((one) => one[name]), ...more.filter((one) => one !== undefined)])
    }
    const { pooled } = all[0]!
    return { last: filled('last'), penultimate: filled('penultimate'), skipped: filled('skipped'), pooled }
  }

  /** In how many sections a text is encoded. */
  sections(text: string): number {
    return this.#tokenizer.sections(weightedTexts(text)).length
  }

  /** What the graph gives, and the place of the token that ends the text. */
  async #run(ids: readonly number[]) {
    const made = await this.#session.run({ ids: asFeed(ids), bias: causalBias(ids.length) })
    const { last, projected, penultimate, skipped } = made
    return { last, projected, penultimate, skipped, end: pooledIndex(ids, this.#config.eosToken) }
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}

/** T5EncoderModel with its tokenizer. */
export class T5Encoder {
  readonly width: number
  readonly #config: T5Config
  readonly #tokenizer: TextTokenizer
  readonly #session: LazySession

  constructor(config: T5Config, weights: Weights, tokenizer: TextTokenizer) {
    const name = `T5 text encoder ${weights.where}`
    const lookup = new WeightLookup(weights)
    const words = lookup.has('shared.weight') ? 'shared.weight' : 'encoder.embed_tokens.weight'
    checkVocabulary(tokenizer, lookup.at(words, 2), name)
    this.width = config.width
    this.#config = config
    this.#tokenizer = tokenizer
    this.#session = new LazySession(() => t5Graph(config, lookup), { mode: modeFor(weights), name })
  }

  /** Every token's final state [1, L, width]. Padding is looked at too, as the models were trained. */
  async tokens(text: string, onWarning: OnWarning): Promise<Tensor> {
    const ids = this.#tokenizer.encode(text, onWarning)
    const buckets = { data: relativeBuckets(ids.length, this.#config), shape: [ids.length, ids.length] }
    const { last } = await this.#session.run({ ids: asFeed(ids), buckets, mask: zeros([1, 1, 1, ids.length]) })
    return tensor(last!.data, last!.shape)
  }

  /** The same where padding is not looked at, with 1 for each token of the text and 0 for padding [1, L]. */
  async masked(text: string, onWarning: OnWarning): Promise<{ tokens: Tensor; mask: Tensor }> {
    const ids = this.#tokenizer.encode(text, onWarning)
    const length = this.#tokenizer.unpadded(ids)
    const mask = tensor(
      Float32Array.from(ids, (_, i) => (i < length ? 1 : 0)),
      [1, ids.length],
    )
    const hidden = tensor(
      mask.data.map((kept) => (kept ? 0 : HIDDEN)),
      [1, 1, 1, ids.length],
    )
    const buckets = { data: relativeBuckets(ids.length, this.#config), shape: [ids.length, ids.length] }
    const { last } = await this.#session.run({ ids: asFeed(ids), buckets, mask: hidden })
    return { tokens: last!, mask }
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}
