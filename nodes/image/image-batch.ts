/** ImageBatch: two pictures, or batches of them, in one batch. */
import { fill } from '../../diffusion/resize.ts'
import { concatRows } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'ImageBatch',
  category: 'image',
  title: 'Batch Images',
  help: 'Puts pictures after each other; the second is brought to the size of the first.',
  inputs: { image1: port('IMAGE'), image2: port('IMAGE') },
  outputs: { IMAGE: 'IMAGE' },
  run({ image1, image2 }) {
    const [, height = 0, width = 0] = image1.shape
    return { IMAGE: concatRows([image1, fill(image2, height, width, { kernel: 'bilinear', antialias: false })]) }
  },
})
