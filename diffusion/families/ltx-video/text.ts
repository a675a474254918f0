/** What LTX-Video reads a prompt with: T5, whose padding is not looked at. */
import t5 from '../text/kinds/t5.ts'
import { textNeeds } from '../text/needs.ts'

/** Most tokens of a text, as in diffusers' pipeline. */
const TOKENS = 128

export const ltxText = textNeeds({
  types: ['ltxv'],
  slots: { t5: { kind: t5, folders: ['text_encoder', 'tokenizer'], optional: false, tokens: () => TOKENS } },
  assemble: (encoders) => ({
    encode: async (text, onWarning) => ({ ...(await encoders.t5.masked(text, onWarning)), pooled: null, extras: {} }),
  }),
})
