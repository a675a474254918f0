/** MaskToImage: a mask as a grey picture. */
import { tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'MaskToImage',
  category: 'image',
  title: 'Convert Mask to Image',
  help: 'White where the mask is 1.',
  inputs: { mask: port('MASK') },
  outputs: { IMAGE: 'IMAGE' },
  run({ mask: { data, shape } }) {
    const [h = 0, w = 0] = shape.slice(-2)
    const grey = Float32Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)]!)
    return { IMAGE: tensor(grey, [data.length / (h * w), h, w, 3]) }
  },
})
