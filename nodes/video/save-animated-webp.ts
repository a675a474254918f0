/** SaveAnimatedWEBP: writes frames as one animated picture, with the workflow inside. */
import { defineNode } from '../define.ts'
import { originText } from '../origin.ts'
import { hidden, port } from '../ports.ts'
import { choice, float, int, text, toggle } from '../spec.ts'
import { encodeWebp } from './encoding/webp.ts'

const EFFORTS = { default: 4, fastest: 0, slowest: 6 } as const

export default defineNode({
  type: 'SaveAnimatedWEBP',
  category: 'video',
  title: 'Save Animated WEBP',
  help: 'Saves a batch of pictures as the frames of an animated WebP that carries its workflow. Every browser plays it.',
  inputs: {
    images: port('IMAGE', { help: 'The frames in order.' }),
    filename_prefix: text({ default: 'Heddle', help: 'May name subfolders.' }),
    fps: float({
      default: 6,
      min: 0.01,
      max: 1000,
      step: 0.01,
      help: 'Frames a second; WAN 2.1 was trained at 16, HunyuanVideo at 24.',
    }),
    lossless: toggle({ default: true, help: 'Exact pixels, in files several times as large.' }),
    quality: int({
      default: 80,
      min: 0,
      max: 100,
      help: 'Of lossless files it is the effort, of others the fidelity.',
    }),
    method: choice(['default', 'fastest', 'slowest'], { default: 'default', help: 'Time spent against file size.' }),
    prompt: hidden('PROMPT'),
    extra_pnginfo: hidden('EXTRA_PNGINFO'),
  },
  outputs: {},
  isOutput: true,
  async run({ images, filename_prefix, fps, lossless, quality, method, prompt, extra_pnginfo }, context) {
    const texts = originText({ prompt, extra: extra_pnginfo }, context)
    const bytes = await encodeWebp(images, texts, { rate: fps, lossless, quality, effort: EFFORTS[method] })
    const [frames = 0, height = 0, width = 0] = images.shape
    const file = await context.files.save('output', filename_prefix, 'webp', bytes, { width, height })
    return { ui: { images: [file], animated: [frames !== 1] } }
  },
})
