/** What Stable Diffusion 1, 2 and XL read a prompt with: one CLIP or two, and which of their states each model was trained on. */
import { tensor, type Tensor } from '../../tensor.ts'
import type { Conditioning, TextEncoders } from '../contract.ts'
import type { ClipEncoder, ClipStates } from '../text/encoders.ts'
import clip from '../text/kinds/clip.ts'
import { textNeeds } from '../text/needs.ts'

type OnWarning = ((message: string) => void) | undefined

/** Of OpenCLIP's ViT-H, the encoder of Stable Diffusion 2, and of its ViT-bigG, the larger one of XL. */
const [HUGE, GIANT] = [1024, 1280]

/** States [1, T, a] and [1, T, b] side by side, [1, T, a + b]. */
function sideBySide(left: Tensor, right: Tensor): Tensor {
  const [tokens = 0, a = 0, b = 0] = [left.shape[1], left.shape[2], right.shape[2]]
  const out = new Float32Array(tokens * (a + b))
  for (let token = 0; token < tokens; token++) {
    out.set(left.data.subarray(token * a, (token + 1) * a), token * (a + b))
    out.set(right.data.subarray(token * b, (token + 1) * b), token * (a + b) + a)
  }
  return tensor(out, [1, tokens, a + b])
}

/** One encoder: the states of every token as `states` picks them, and the pooled text where the model takes it. */
class SingleTextEncoder implements TextEncoders {
  readonly #clip: ClipEncoder
  readonly #state: keyof ClipStates
  readonly #pools: boolean

  constructor(encoder: ClipEncoder, state: keyof ClipStates, pools: boolean) {
    this.#clip = encoder
    this.#state = state
    this.#pools = pools
  }

  async encode(text: string, onWarning?: OnWarning): Promise<Conditioning> {
    const states = await this.#clip.states(text, onWarning)
    return { tokens: states[this.#state], pooled: this.#pools ? states.pooled : null, extras: {} }
  }
}

/** Both encoders of XL (Podell et al. 2023, section 2.1): their states before the last layer side by side, and the larger one's pooled text. */
class XlTextEncoders implements TextEncoders {
  readonly #large: ClipEncoder
  readonly #giant: ClipEncoder

  constructor(large: ClipEncoder, giant: ClipEncoder) {
    this.#large = large
    this.#giant = giant
  }

  encode(text: string, onWarning?: OnWarning): Promise<Conditioning> {
    return this.encodeEach({ l: text, g: text }, onWarning)
  }

  async encodeEach(texts: Readonly<Record<string, string>>, onWarning?: OnWarning): Promise<Conditioning> {
    const [l, g] = [texts['l'] ?? '', texts['g'] ?? '']
    const sections = Math.max(this.#large.sections(l), this.#giant.sections(g))
    const large = await this.#large.states(l, onWarning, sections)
    const giant = await this.#giant.states(g, onWarning, sections)
    return { tokens: sideBySide(large.penultimate, giant.penultimate), pooled: giant.pooled, extras: {} }
  }
}

/**
 * A single encoder as its models were trained: Stable Diffusion 1 on its last states; 2 on those before the last layer, which diffusers'
 * folders leave away, under the final norm; the refiner of XL on those before the last layer as they are.
 */
function single(encoder: ClipEncoder, isWhole: boolean): TextEncoders {
  if (encoder.width === GIANT) return new SingleTextEncoder(encoder, 'penultimate', true)
  return new SingleTextEncoder(encoder, encoder.width === HUGE && isWhole ? 'skipped' : 'last', false)
}

export const unetText = textNeeds({
  types: ['stable_diffusion', 'sdxl'],
  slots: {
    clip_l: { kind: clip, folders: ['text_encoder', 'tokenizer'], optional: true },
    clip_g: { kind: clip, folders: ['text_encoder_2', 'tokenizer_2'], optional: true },
  },
  assemble({ clip_l: large, clip_g: giant }, { folder }) {
    if (large && giant) return new XlTextEncoders(large, giant)
    const only = large ?? giant
    if (!only) throw new Error(`${folder ?? 'the text encoders'}: no CLIP; Stable Diffusion takes one, XL two`)
    return giant ? new SingleTextEncoder(giant, 'penultimate', true) : single(only, folder === null)
  },
})
