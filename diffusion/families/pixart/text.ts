/** What PixArt reads a prompt with: T5, whose padding is not looked at. */
import { join } from 'node:path'
import type { Conditioning, TextEncoders } from '../contract.ts'
import { readJson } from '../json.ts'
import { openT5, type T5Encoder } from '../text/encoders.ts'

/** Most tokens of a text: PixArt-sigma, and PixArt-alpha (Chen et al. 2023, section 3.1). */
const TOKENS = { PixArtSigmaPipeline: 300, PixArtAlphaPipeline: 120 }

/** T5 in the form that the CLIP port carries. */
export class PixArtTextEncoders implements TextEncoders {
  readonly #t5: T5Encoder

  constructor(t5: T5Encoder) {
    this.#t5 = t5
  }

  async encode(text: string, onWarning?: (message: string) => void): Promise<Conditioning> {
    return { ...(await this.#t5.masked(text, onWarning)), pooled: null, extras: {} }
  }

  release(): Promise<void> {
    return this.#t5.release()
  }
}

/** Opens the two folders of a PixArtAlphaPipeline or PixArtSigmaPipeline that concern text. */
export async function openPixArtText(folder: string): Promise<PixArtTextEncoders> {
  const { _class_name: pipeline } = await readJson(join(folder, 'model_index.json'))
  const limit = pipeline === 'PixArtAlphaPipeline' ? TOKENS.PixArtAlphaPipeline : TOKENS.PixArtSigmaPipeline
  return new PixArtTextEncoders(await openT5(join(folder, 'text_encoder'), join(folder, 'tokenizer'), limit))
}
