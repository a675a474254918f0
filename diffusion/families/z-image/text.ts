/** What Z-Image reads a prompt with: Qwen3, as a message to it. */
import qwen3 from '../text/kinds/qwen3.ts'
import { textNeeds } from '../text/needs.ts'

/** Around every prompt, as in diffusers' pipeline, which gives the transformer all of it. */
const READING = {
  before: '<|im_start|>user\n',
  keepsBefore: true,
  after: '<|im_end|>\n<|im_start|>assistant\n',
  layersFromEnd: [1],
  limit: 512,
}

export const zImageText = textNeeds({
  types: ['lumina2'],
  slots: { qwen: { kind: qwen3, folders: ['text_encoder', 'tokenizer'], optional: false } },
  assemble: (encoders) => ({
    async encode(text, onWarning) {
      const [tokens] = await encoders.qwen.states(text, READING, onWarning)
      return { tokens: tokens!, pooled: null, extras: {} }
    },
  }),
})
