/** A decoder-only language model with its tokenizer, from a text in a template to the states that a diffusion model was trained on. */
import { LazySession } from '../../onnx/lazy-session.ts'
import { chooseWeightMode } from '../../onnx/session.ts'
import { float32Bytes, type Weights } from '../../onnx/weights.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import { WeightLookup } from '../lookup.ts'
import { decoderBias, llamaGraph, textRotation, type LlamaConfig } from './llama.ts'
import type { TextTokenizer } from './tokenizer.ts'

/** What stands around a text, and which states are wanted. */
export interface Reading {
  /** Before the text. */
  readonly before: string
  /** Whether the tokens of `before` are among the result's. */
  readonly keepsBefore: boolean
  readonly after: string
  /** Numbers of layers after which states are taken, counted from the end: 0 is the normed state after the last, 2 that of two layers earlier. */
  readonly layersFromEnd: readonly number[]
  /** Most tokens of the text with what follows it. */
  readonly limit: number
}

/** A language model as the reader of prompts. */
export class DecoderEncoder {
  /** Of each state. */
  readonly width: number
  readonly #config: LlamaConfig
  readonly #tokenizer: TextTokenizer
  readonly #name: string
  readonly #open: (states: readonly number[]) => LazySession
  /** By the states that are wanted: one, since a diffusion model always wants the same. */
  #session: { readonly key: string; readonly session: LazySession } | null = null

  /** Throws when the tokenizer has more words than the weights. */
  constructor(config: LlamaConfig, weights: Weights, tokenizer: TextTokenizer, kind: string) {
    const lookup = new WeightLookup(weights)
    this.#name = `${kind} text encoder ${weights.where}`
    const rows = lookup.at('embed_tokens.weight', 2).shape[0] ?? 0
    if (tokenizer.size > rows)
      throw new Error(
        `${this.#name}: the tokenizer gives ids up to ${tokenizer.size - 1}, the embedding has ${rows} rows`,
      )
    this.width = config.width
    this.#config = config
    this.#tokenizer = tokenizer
    const options = { mode: chooseWeightMode(float32Bytes(weights)), name: this.#name }
    this.#open = (states) => new LazySession(() => llamaGraph(config, lookup, states), options)
  }

  /** States [1, L, width], one for each wanted, of the L tokens of the text and of what follows it. */
  async states(text: string, reading: Reading, onWarning?: (message: string) => void): Promise<readonly Tensor[]> {
    const { layers } = this.#config
    const wanted = reading.layersFromEnd.map((count) => layers - count)
    if (wanted.some((state) => state < 0))
      throw new Error(
        `${this.#name}: has ${layers} layers, too few for states ${Math.max(...reading.layersFromEnd)} before its end`,
      )
    const template = this.#tokenizer.bare(reading.before, Infinity).length
    const start = reading.keepsBefore ? 0 : template
    const ids = this.#tokenizer.bare(reading.before + text + reading.after, template + reading.limit, onWarning)
    const mask = tensor(new Float32Array(ids.length).fill(1), [1, ids.length])
    const feeds = {
      ids: { data: BigInt64Array.from(ids, BigInt), shape: [1, ids.length] },
      ...{ bias: decoderBias(mask), ...textRotation(ids.length, this.#config) },
    }
    const made = await (await this.#sessionFor(wanted)).run(feeds)
    return wanted.map((state) => {
      const { data, shape } = made[`state.${state}`]!
      const width = shape[2] ?? 0
      return tensor(data.slice(start * width), [1, ids.length - start, width])
    })
  }

  async #sessionFor(wanted: readonly number[]): Promise<LazySession> {
    const key = wanted.join()
    if (this.#session?.key === key) return this.#session.session
    const before = this.#session
    this.#session = { key, session: this.#open([...new Set(wanted)]) }
    await before?.session.release()
    return this.#session.session
  }

  async release(): Promise<void> {
    await this.#session?.session.release()
  }
}
