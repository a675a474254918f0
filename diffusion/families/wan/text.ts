/** What WAN reads a prompt with: UMT5, with zeros in the place of padding, which the transformer looks at too. */
import type { Tensor } from '../../tensor.ts'
import umt5 from '../text/kinds/umt5.ts'
import { textNeeds } from '../text/needs.ts'

/** Tokens of a text, as all WAN models were trained. */
const TOKENS = 512

/** tokens [1, L, width] with zeros where the mask [1, L] is 0. */
function withoutPadding({ data, shape }: Tensor, mask: Tensor): Tensor {
  const width = shape[2] ?? 0
  const out = data.slice()
  mask.data.forEach((kept, token) => {
    if (kept === 0) out.fill(0, token * width, (token + 1) * width)
  })
  return { data: out, shape }
}

export const wanText = textNeeds({
  types: ['wan'],
  slots: { umt5: { kind: umt5, folders: ['text_encoder', 'tokenizer'], optional: false, tokens: () => TOKENS } },
  assemble: (encoders) => ({
    async encode(text, onWarning) {
      const { tokens, mask } = await encoders.umt5.masked(text, onWarning)
      return { tokens: withoutPadding(tokens, mask), pooled: null, extras: {} }
    },
  }),
})
