/** EmptyImage: pictures of one colour. */
import { tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { int } from '../spec.ts'

const side = int({ default: 512, min: 1, max: 16384, help: 'Pixels.' })

export default defineNode({
  type: 'EmptyImage',
  category: 'image',
  title: 'EmptyImage',
  help: 'Pictures of one colour.',
  inputs: {
    width: side,
    height: side,
    batch_size: int({ default: 1, min: 1, max: 4096, help: 'Number of pictures.' }),
    color: int({ default: 0, min: 0, max: 0xffffff, help: 'Red x 65536 + green x 256 + blue.' }),
  },
  outputs: { IMAGE: 'IMAGE' },
  run({ width, height, batch_size, color }) {
    const colour = [16, 8, 0].map((bits) => ((color >> bits) & 0xff) / 255)
    const data = new Float32Array(batch_size * height * width * 3)
    for (let i = 0; i < data.length; i++) data[i] = colour[i % 3]!
    return { IMAGE: tensor(data, [batch_size, height, width, 3]) }
  },
})
