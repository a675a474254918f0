/** CLIPTextEncodeSDXLRefiner: a prompt for SDXL's refiner, with the picture's size and how good it is to be. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float, int, text } from '../spec.ts'

const side = (help: string) => int({ default: 1024, min: 0, max: 16384, help })

export default defineNode({
  type: 'CLIPTextEncodeSDXLRefiner',
  category: 'conditioning',
  title: 'Text Encode SDXL Refiner',
  help: 'Encodes a prompt for the refiner of SDXL, which is told a score of the picture beside its size.',
  inputs: {
    ascore: float({
      default: 6,
      min: 0,
      max: 1000,
      step: 0.01,
      help: 'Aesthetic score of the picture that is wanted; 6 is usual, 2.5 for the negative prompt. Costs nothing.',
    }),
    width: side('Width of the picture before it was scaled down, in pixels. Costs nothing.'),
    height: side('Height of the picture before it was scaled down, in pixels. Costs nothing.'),
    text: text({ multiline: true, dynamicPrompts: true, help: 'What the picture shows.' }),
    clip: port('CLIP', { help: "The refiner's text encoder." }),
  },
  outputs: { CONDITIONING: 'CONDITIONING' },
  async run({ ascore, width, height, text: prompt, clip }, { report }) {
    const conditioning = await clip.encode(prompt, report.warn)
    const extras = { ...conditioning.extras, aesthetic_score: ascore, width, height }
    return { CONDITIONING: [{ ...conditioning, extras }] }
  },
})
