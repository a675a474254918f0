/** What FLUX reads a prompt with: T5 for the tokens, CLIP for the pooled text. */
import type { TextEncoders } from '../contract.ts'
import clip from '../text/kinds/clip.ts'
import t5 from '../text/kinds/t5.ts'
import { textNeeds } from '../text/needs.ts'

export const fluxText = textNeeds({
  types: ['flux'],
  slots: {
    clip: { kind: clip, folders: ['text_encoder', 'tokenizer'], optional: false },
    t5: { kind: t5, folders: ['text_encoder_2', 'tokenizer_2'], optional: false },
  },
  assemble: ({ clip: short, t5: long }) => {
    const encodeEach: TextEncoders['encodeEach'] = async ({ l = '', t5xxl = '' }, onWarning) => {
      const pooled = await short.pooled(l, onWarning)
      return { tokens: await long.tokens(t5xxl, onWarning), pooled, extras: {} }
    }
    return { encode: (text, onWarning) => encodeEach({ l: text, t5xxl: text }, onWarning), encodeEach }
  },
})
