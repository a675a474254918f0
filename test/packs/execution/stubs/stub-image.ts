/** StubImage: a white, black or noisy picture. */
import { defineNode } from '../../../../nodes/define.ts'
import { choice } from '../../../../nodes/spec.ts'
import { picture, sizes } from './helpers/pictures.ts'

export default defineNode({
  type: 'StubImage',
  category: 'stubs',
  help: 'A picture without meaning.',
  inputs: { content: choice(['WHITE', 'BLACK', 'NOISE'], { default: 'WHITE' }), ...sizes },
  outputs: { IMAGE: 'IMAGE' },
  run({ content, height, width, batch_size }) {
    const IMAGE = picture(content === 'WHITE' ? 1 : 0, [batch_size, height, width])
    if (content === 'NOISE') for (let i = 0; i < IMAGE.data.length; i++) IMAGE.data[i] = Math.random()
    return { IMAGE }
  },
})
