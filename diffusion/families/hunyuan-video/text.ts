/** What HunyuanVideo reads a prompt with: a LLaMA, told to describe a video, for the tokens, CLIP for the pooled text. */
import clip from '../text/kinds/clip.ts'
import llama from '../text/kinds/llama.ts'
import { textNeeds } from '../text/needs.ts'

/** Around every prompt (Kong et al. 2024, section 4.3; the published text): the model was trained on states after it. */
const BEFORE =
  '<|start_header_id|>system<|end_header_id|>\n\nDescribe the video by detailing the following aspects: ' +
  '1. The main content and theme of the video.' +
  '2. The color, shape, size, texture, quantity, text, and spatial relationships of the objects.' +
  '3. Actions, events, behaviors temporal relationships, physical movement changes of the objects.' +
  '4. background environment, light, style and atmosphere.' +
  '5. camera angles, movements, and transitions used in the video:<|eot_id|>' +
  '<|start_header_id|>user<|end_header_id|>\n\n'
const AFTER = '<|eot_id|>'
/** Most tokens of a prompt, as in diffusers' pipeline. */
const LIMIT = 256
/** Tokens of the template before the prompt in Llama 3's vocabulary; other vocabularies are counted as they are. */
const TEMPLATE = 95

export const hunyuanText = textNeeds({
  types: ['hunyuan_video'],
  slots: {
    clip: { kind: clip, folders: ['text_encoder_2', 'tokenizer_2'], optional: false },
    llama: { kind: llama, folders: ['text_encoder', 'tokenizer'], optional: false, tokens: () => TEMPLATE + LIMIT },
  },
  assemble: (encoders) => ({
    async encode(text, onWarning) {
      const pooled = await encoders.clip.pooled(text, onWarning)
      const reading = { before: BEFORE, keepsBefore: false, after: AFTER, layersFromEnd: [2], limit: LIMIT }
      const [tokens] = await encoders.llama.states(text, reading, onWarning)
      return { tokens: tokens!, pooled, extras: {} }
    },
  }),
})
