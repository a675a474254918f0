/** SaveWEBM: writes frames as WebM, with the workflow in its metadata. */
import { defineNode } from '../define.ts'
import { originText } from '../origin.ts'
import { hidden, port } from '../ports.ts'
import { choice, float, text } from '../spec.ts'
import { encodeVideo } from './encoding/ffmpeg.ts'

/** Encoders by ComfyUI's words; AV1 in the fastest setting that is still worth its file size. */
const ENCODERS = {
  vp9: ['-c:v', 'libvpx-vp9', '-pix_fmt', 'yuv420p'],
  av1: ['-c:v', 'libsvtav1', '-pix_fmt', 'yuv420p10le', '-preset', '6'],
} as const

export default defineNode({
  type: 'SaveWEBM',
  category: 'video',
  title: 'Save WEBM',
  help: 'Saves a WebM that carries its workflow. Needs the ffmpeg program.',
  inputs: {
    images: port('IMAGE', { help: 'The frames in order.' }),
    filename_prefix: text({ default: 'Heddle', help: 'May name subfolders.' }),
    codec: choice(['vp9', 'av1'], { default: 'vp9', help: 'av1 makes smaller files and takes longer.' }),
    fps: float({
      default: 24,
      min: 0.01,
      max: 1000,
      step: 0.01,
      help: 'Frames a second; WAN 2.1 was trained at 16, HunyuanVideo at 24.',
    }),
    crf: float({ default: 32, min: 0, max: 63, step: 1, help: 'Higher is smaller and less faithful.' }),
    prompt: hidden('PROMPT'),
    extra_pnginfo: hidden('EXTRA_PNGINFO'),
  },
  outputs: {},
  isOutput: true,
  async run({ images, filename_prefix, codec, fps, crf, prompt, extra_pnginfo }, context) {
    const texts = originText({ prompt, extra: extra_pnginfo }, context)
    const encoder = [...ENCODERS[codec], '-crf', String(crf), '-b:v', '0']
    const bytes = await encodeVideo(images, fps, texts, { extension: 'webm', encoder }, context.signal)
    const [, height = 0, width = 0] = images.shape
    const file = await context.files.save('output', filename_prefix, 'webm', bytes, { width, height })
    return { ui: { images: [file], animated: [true] } }
  },
})
