/** What SD3 reads a prompt with: two CLIPs for the pooled text and some of the tokens, T5 for the rest. */
import { join } from 'node:path'
import { tensor, zeros, type Tensor } from '../../tensor.ts'
import type { Conditioning, TextEncoders } from '../contract.ts'
import { fileExists, readJson } from '../json.ts'
import { openClip, openT5, type ClipEncoder, type T5Encoder } from '../text/encoders.ts'

/** Tokens that T5 is given, as in diffusers' pipeline. */
const T5_TOKENS = 256

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
  async encode(text: string, onWarning?: (message: string) => void): Promise<Conditioning> {
    const [large, giant] = this.#clips
    const [first, second] = [await large.states(text, onWarning), await giant.states(text, onWarning)]
    const clip = sideBySide([first.penultimate, second.penultimate], this.#width)
    const t5 = (await this.#t5?.tokens(text, onWarning)) ?? zeros([1, T5_TOKENS, this.#width])
    const data = new Float32Array([...clip.data, ...t5.data])
    const pooled = new Float32Array([...first.pooled.data, ...second.pooled.data])
    return {
      tokens: tensor(data, [1, (clip.shape[1] ?? 0) + (t5.shape[1] ?? 0), this.#width]),
      pooled: tensor(pooled, [1, pooled.length]),
      extras: {},
    }
  }

  async release(): Promise<void> {
    for (const encoder of [...this.#clips, this.#t5]) await encoder?.release()
  }
}

/** Opens the folders of a StableDiffusion3Pipeline that concern text. Throws when their widths do not suit its transformer. */
export async function openSd3Text(folder: string): Promise<Sd3TextEncoders> {
  const of = (part: string, index: string): string => join(folder, part + index)
  const config = join(folder, 'transformer', 'config.json')
  const width = Number((await readJson(config))['joint_attention_dim'])
  const large = await openClip(of('text_encoder', ''), of('tokenizer', ''))
  const giant = await openClip(of('text_encoder', '_2'), of('tokenizer', '_2'))
  const hasT5 = await fileExists(join(of('text_encoder', '_3'), 'config.json'))
  const t5 = hasT5 ? await openT5(of('text_encoder', '_3'), of('tokenizer', '_3'), T5_TOKENS) : null
  const faults: string[] = []
  if (large.width + giant.width > width)
    faults.push(`the CLIPs' tokens of ${large.width} and ${giant.width} do not fit side by side`)
  if (t5 && t5.width !== width) faults.push(`T5's tokens have ${t5.width} values`)
  if (faults.length > 0) throw new Error(`${config}: joint_attention_dim is ${width}; ${faults.join('; ')}`)
  return new Sd3TextEncoders([large, giant], t5, width)
}
