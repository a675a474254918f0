/** CLIPTextEncode: turns a prompt into the conditioning that a transformer takes. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { text } from '../spec.ts'

export default defineNode({
  type: 'CLIPTextEncode',
  category: 'conditioning',
  title: 'Text Encode (Prompt)',
  help: "Encodes a prompt with every text encoder of the model. Text beyond the model's limit is cut, with a warning on the node.",
  inputs: {
    text: text({ multiline: true, dynamicPrompts: true, help: 'What the picture shows.' }),
    clip: port('CLIP', { help: 'Text encoders of the checkpoint.' }),
  },
  outputs: { CONDITIONING: 'CONDITIONING' },
  async run({ text: prompt, clip }, { report }) {
    return { CONDITIONING: [await clip.encode(prompt, report.warn)] }
  },
})
