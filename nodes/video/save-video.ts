/** SaveVideo: writes a video as MP4, with the workflow in its metadata. */
import { defineNode } from '../define.ts'
import { originText } from '../origin.ts'
import { hidden, port } from '../ports.ts'
import { choice, text } from '../spec.ts'
import { encodeVideo } from './encoding/ffmpeg.ts'

/** H.264 as every player reads it, whose sides must be even: an odd one loses its last row or column. */
const H264 = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-vf', 'crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0']

export default defineNode({
  type: 'SaveVideo',
  category: 'video',
  title: 'Save Video',
  help: 'Saves an MP4 that carries its workflow. Needs the ffmpeg program.',
  inputs: {
    video: port('VIDEO'),
    filename_prefix: text({ default: 'video/Heddle', help: 'May name subfolders.' }),
    format: choice(['auto', 'mp4'], { default: 'auto', help: 'The container; auto is MP4.' }),
    codec: choice(['auto', 'h264'], { default: 'auto', help: 'How pictures are coded; auto is H.264.' }),
    prompt: hidden('PROMPT'),
    extra_pnginfo: hidden('EXTRA_PNGINFO'),
  },
  outputs: {},
  isOutput: true,
  async run({ video, filename_prefix, prompt, extra_pnginfo }, context) {
    const { frames, rate } = video
    const texts = originText({ prompt, extra: extra_pnginfo }, context)
    const bytes = await encodeVideo(frames, rate, texts, { extension: 'mp4', encoder: H264 }, context.signal)
    const [, height = 0, width = 0] = frames.shape
    const file = await context.files.save('output', filename_prefix, 'mp4', bytes, { width, height })
    return { ui: { images: [file], animated: [true] } }
  },
})
