/** CLIPTextEncodeFlux: a prompt for each of FLUX's text encoders, and its guidance. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float, text } from '../spec.ts'
import { encodeEach } from './shared/each.ts'

const prompt = (help: string) => text({ multiline: true, dynamicPrompts: true, help })

export default defineNode({
  type: 'CLIPTextEncodeFlux',
  category: 'conditioning',
  title: 'CLIPTextEncodeFlux',
  help: 'Encodes a prompt for FLUX.1, with a text of its own for each encoder.',
  inputs: {
    clip: port('CLIP', { help: 'CLIP-L and T5.' }),
    clip_l: prompt('For CLIP, which sums the prompt up.'),
    t5xxl: prompt('For T5, which gives the tokens.'),
    guidance: float({
      default: 3.5,
      min: 0,
      max: 100,
      step: 0.1,
      help: 'FLUX.1-dev was distilled for about 1.5 to 5.',
    }),
  },
  outputs: { CONDITIONING: 'CONDITIONING' },
  async run({ clip, clip_l: l, t5xxl, guidance }, { report }) {
    const encoded = await encodeEach('CLIPTextEncodeFlux', clip, { l, t5xxl }, report.warn)
    return { CONDITIONING: [{ ...encoded, extras: { ...encoded.extras, guidance } }] }
  },
})
