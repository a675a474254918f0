/** What FLUX reads a prompt with: T5 for the tokens, CLIP for the pooled text. */
import clip from '../text/kinds/clip.ts'
import t5 from '../text/kinds/t5.ts'
import { textNeeds } from '../text/needs.ts'

export const fluxText = textNeeds({
  types: ['flux'],
  slots: {
    clip: { kind: clip, folders: ['text_encoder', 'tokenizer'], optional: false },
    t5: { kind: t5, folders: ['text_encoder_2', 'tokenizer_2'], optional: false },
  },
  assemble: (encoders) => ({
    async encode(text, onWarning) {
      const pooled = await encoders.clip.pooled(text, onWarning)
      return { tokens: await encoders.t5.tokens(text, onWarning), pooled, extras: {} }
    },
  }),
})
