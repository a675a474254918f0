/** CLIPTextEncodePixArtAlpha: a prompt for PixArt alpha, and the size that the model is told. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { int, text } from '../spec.ts'

const side = int({ default: 1024, min: 0, max: 16384, help: 'Pixels of the picture, as the model is told.' })

export default defineNode({
  type: 'CLIPTextEncodePixArtAlpha',
  category: 'conditioning',
  title: 'CLIPTextEncodePixArtAlpha',
  help: 'Encodes a prompt and sets the resolution that PixArt alpha is told. PixArt sigma ignores it.',
  inputs: {
    width: side,
    height: side,
    text: text({ multiline: true, dynamicPrompts: true, help: 'What the picture shows.' }),
    clip: port('CLIP', { help: 'T5.' }),
  },
  outputs: { CONDITIONING: 'CONDITIONING' },
  async run({ width, height, text: prompt, clip }, { report }) {
    const encoded = await clip.encode(prompt, report.warn)
    return { CONDITIONING: [{ ...encoded, extras: { ...encoded.extras, width, height } }] }
  },
})
