/** ImageToMask: one channel of pictures as masks. */
import { tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice } from '../spec.ts'

const CHANNELS = ['red', 'green', 'blue', 'alpha'] as const

export default defineNode({
  type: 'ImageToMask',
  category: 'image',
  title: 'Convert Image to Mask',
  help: 'How bright one colour is. Pictures on links have no transparency: alpha gives ones.',
  inputs: { image: port('IMAGE'), channel: choice(CHANNELS, { default: 'red', help: 'The channel that is taken.' }) },
  outputs: { MASK: 'MASK' },
  run({ image: { data, shape }, channel }) {
    const [batch = 0, h = 0, w = 0, channels = 3] = shape
    const at = CHANNELS.indexOf(channel)
    const mask = Float32Array.from({ length: batch * h * w }, (_, i) => (at < channels ? data[i * channels + at]! : 1))
    return { MASK: tensor(mask, [batch, h, w]) }
  },
})
