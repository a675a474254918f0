/** What Qwen-Image reads a prompt with: the language model of Qwen2.5-VL, told to describe a picture. */
import qwen2 from '../text/kinds/qwen2.ts'
import { textNeeds } from '../text/needs.ts'

/** Around every prompt, as in diffusers' pipeline; the states of what stands before it are left out. */
const READING = {
  before:
    '<|im_start|>system\nDescribe the image by detailing the color, shape, size, texture, quantity, text, ' +
    'spatial relationships of the objects and background:<|im_end|>\n<|im_start|>user\n',
  keepsBefore: false,
  after: '<|im_end|>\n<|im_start|>assistant\n',
  layersFromEnd: [0],
  limit: 1024,
}

export const qwenText = textNeeds({
  types: ['qwen_image'],
  slots: { qwen: { kind: qwen2, folders: ['text_encoder', 'tokenizer'], optional: false } },
  assemble: (encoders) => ({
    async encode(text, onWarning) {
      const [tokens] = await encoders.qwen.states(text, READING, onWarning)
      return { tokens: tokens!, pooled: null, extras: {} }
    },
  }),
})
