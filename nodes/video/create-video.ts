/** CreateVideo: frames and a frame rate as a video. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float } from '../spec.ts'

export default defineNode({
  type: 'CreateVideo',
  category: 'video',
  title: 'Create Video',
  help: 'Makes a video of a batch of pictures, one picture a frame.',
  inputs: {
    images: port('IMAGE', { help: 'The frames in order.' }),
    fps: float({
      default: 30,
      min: 1,
      max: 120,
      step: 1,
      help: 'Frames a second; WAN 2.1 was trained at 16, HunyuanVideo at 24.',
    }),
  },
  outputs: { VIDEO: 'VIDEO' },
  run: ({ images, fps }) => ({ VIDEO: { frames: images, rate: fps } }),
})
