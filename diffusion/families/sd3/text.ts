/** What SD3 reads a prompt with: two CLIPs for the pooled text and some of the tokens, T5 for the rest. */
import { join } from 'node:path'
import { tensor, zeros, type Tensor } from '../../tensor.ts'
import type { Conditioning, TextEncoders } from '../contract.ts'
import { readJson } from '../json.ts'
import type { ClipEncoder, T5Encoder } from '../text/encoders.ts'
import clip from '../text/kinds/clip.ts'
import t5 from '../text/kinds/t5.ts'
import { textNeeds } from '../text/needs.ts'

/** Tokens that T5 is given, as in diffusers' pipeline. */
const T5_TOKENS = 256
/** Tokens of a CLIP, also where none is read. */
const CLIP_TOKENS = 77
/** Width of the tokens that every published SD3 takes: T5-XXL's. */
const PUBLISHED_WIDTH = 4096

/** Rows [1, T, a] and [1, T, b] and zeros side by side: [1, T, width]. */
function sideBySide(parts: readonly Tensor[], width: number): Tensor {
  const tokens = Math.max(...parts.map(({ shape }) => shape[1] ?? 0))
  const out = zeros([1, tokens, width])
  let start = 0
  for (const { data, shape } of parts) {
    const own = shape[2] ?? 0
    for (let token = 0; token < tokens; token++)
      out.data.set(data.subarray(token * own, (token + 1) * own), token * width + start)
    start += own
  }
  return out
}

/** All three text encoders; without T5 its tokens are zeros, as the models were also trained. */
export class Sd3TextEncoders implements TextEncoders {
  readonly #clips: readonly [ClipEncoder, ClipEncoder]
  readonly #t5: T5Encoder | null
  /** Of the tokens the transformer takes. */
  readonly #width: number

  constructor(clips: readonly [ClipEncoder, ClipEncoder], t5: T5Encoder | null, width: number) {
    this.#clips = clips
    this.#t5 = t5
    this.#width = width
  }

  /** Tokens [1, 77 + 256, width]: both CLIPs' last but one states side by side and padded, then T5's; pooled [1, both CLIPs' widths]. */
  encode(text: string, onWarning?: (message: string) => void): Promise<Conditioning> {
    return this.encodeEach({ l: text, g: text, t5xxl: text }, onWarning)
  }

  /** As ComfyUI has it, a CLIP without a text counts as zeros, and T5 without one gives no tokens. */
  async encodeEach(
    { l, g, t5xxl }: Readonly<Record<string, string>>,
    onWarning?: (message: string) => void,
  ): Promise<Conditioning> {
    const [large, giant] = this.#clips
    const states = (clip: ClipEncoder, text: string | undefined) =>
      text === undefined ? null : clip.states(text, onWarning)
    const [first, second] = [await states(large, l), await states(giant, g)]
    const length = (first ?? second)?.penultimate.shape[1] ?? CLIP_TOKENS
    const own = (state: Awaited<typeof first>, { width }: ClipEncoder): Tensor =>
      state?.penultimate ?? zeros([1, length, width])
    const pool = (state: Awaited<typeof first>, { width }: ClipEncoder): Tensor => state?.pooled ?? zeros([1, width])
    const clip = sideBySide([own(first, large), own(second, giant)], this.#width)
    const t5 =
      t5xxl === undefined
        ? zeros([1, 0, this.#width])
        : ((await this.#t5?.tokens(t5xxl, onWarning)) ?? zeros([1, T5_TOKENS, this.#width]))
    const isRead = first !== null || second !== null || (t5.shape[1] ?? 0) === 0
    const data = new Float32Array(isRead ? [...clip.data, ...t5.data] : t5.data)
    const pooled = new Float32Array([...pool(first, large).data, ...pool(second, giant).data])
    return {
      tokens: tensor(data, [1, data.length / this.#width, this.#width]),
      pooled: tensor(pooled, [1, pooled.length]),
      extras: {},
    }
  }
}

/** Width of the tokens that the transformer of this folder takes; T5's, or the published models', where there is no folder. */
async function tokenWidth(folder: string | null, t5Width: number | undefined): Promise<[width: number, where: string]> {
  if (folder === null) return [t5Width ?? PUBLISHED_WIDTH, 'the text encoders']
  const config = join(folder, 'transformer', 'config.json')
  return [Number((await readJson(config))['joint_attention_dim']), config]
}

export const sd3Text = textNeeds({
  types: ['sd3'],
  slots: {
    clip_l: { kind: clip, folders: ['text_encoder', 'tokenizer'], optional: false },
    clip_g: { kind: clip, folders: ['text_encoder_2', 'tokenizer_2'], optional: false },
    t5: { kind: t5, folders: ['text_encoder_3', 'tokenizer_3'], optional: true, tokens: () => T5_TOKENS },
  },
  /** Throws when the widths do not suit the transformer. */
  async assemble({ clip_l: large, clip_g: giant, t5: long }, { folder }) {
    const [width, where] = await tokenWidth(folder, long?.width)
    const faults: string[] = []
    if (large.width + giant.width > width)
      faults.push(`the CLIPs' tokens of ${large.width} and ${giant.width} do not fit side by side`)
    if (long && long.width !== width) faults.push(`T5's tokens have ${long.width} values`)
    if (faults.length > 0) throw new Error(`${where}: joint_attention_dim is ${width}; ${faults.join('; ')}`)
    return new Sd3TextEncoders([large, giant], long, width)
  },
})
