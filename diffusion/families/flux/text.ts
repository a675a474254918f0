/** What FLUX reads a prompt with: T5 for the tokens, CLIP for the pooled text. */
import { join } from 'node:path'
import { openClip, openT5, type ClipEncoder, type T5Encoder } from '../text/encoders.ts'
import type { Conditioning, TextEncoders } from '../contract.ts'

/** Both text encoders in the form that the CLIP port carries. */
export class FluxTextEncoders implements TextEncoders {
  readonly #clip: ClipEncoder
  readonly #t5: T5Encoder

  constructor(clip: ClipEncoder, t5: T5Encoder) {
    this.#clip = clip
    this.#t5 = t5
  }

  async encode(text: string, onWarning?: (message: string) => void): Promise<Conditioning> {
    const pooled = await this.#clip.pooled(text, onWarning)
    return { tokens: await this.#t5.tokens(text, onWarning), pooled, extras: {} }
  }

  async release(): Promise<void> {
    await this.#clip.release()
    await this.#t5.release()
  }
}

/** Opens the four folders of a FluxPipeline that concern text. */
export async function openFluxText(folder: string): Promise<FluxTextEncoders> {
  const clip = await openClip(join(folder, 'text_encoder'), join(folder, 'tokenizer'))
  return new FluxTextEncoders(clip, await openT5(join(folder, 'text_encoder_2'), join(folder, 'tokenizer_2')))
}
