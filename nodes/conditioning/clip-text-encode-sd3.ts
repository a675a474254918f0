/** CLIPTextEncodeSD3: a prompt for each of SD3's text encoders. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice, text } from '../spec.ts'
import { encodeEach } from './shared/each.ts'

const prompt = (help: string) => text({ multiline: true, dynamicPrompts: true, help })

export default defineNode({
  type: 'CLIPTextEncodeSD3',
  category: 'conditioning',
  title: 'CLIPTextEncodeSD3',
  help: 'Encodes a prompt for SD3 and SD3.5, with a text of its own for each encoder.',
  inputs: {
    clip: port('CLIP', { help: 'CLIP-L, CLIP-G and, where there is one, T5.' }),
    clip_l: prompt('For CLIP-L.'),
    clip_g: prompt('For CLIP-G.'),
    t5xxl: prompt('For T5.'),
    empty_padding: choice(['none', 'empty_prompt'], {
      default: 'none',
      help: 'With none an encoder that is given no text gives zeros, as the models were also trained.',
    }),
  },
  outputs: { CONDITIONING: 'CONDITIONING' },
  async run({ clip, clip_l, clip_g, t5xxl, empty_padding }, { report }) {
    const texts = Object.entries({ l: clip_l, g: clip_g, t5xxl })
    const given = empty_padding === 'none' ? texts.filter(([, one]) => one !== '') : texts
    return { CONDITIONING: [await encodeEach('CLIPTextEncodeSD3', clip, Object.fromEntries(given), report.warn)] }
  },
})
