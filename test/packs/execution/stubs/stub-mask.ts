/** StubMask: a mask of one value. */
import { defineNode } from '../../../../nodes/define.ts'
import { float } from '../../../../nodes/spec.ts'
import { tensor } from '../../../../diffusion/tensor.ts'
import { sizes } from './helpers/pictures.ts'

export default defineNode({
  type: 'StubMask',
  category: 'stubs',
  help: 'A mask of one value.',
  inputs: { value: float({ default: 0.5, min: 0, max: 1, step: 0.01 }), ...sizes },
  outputs: { MASK: 'MASK' },
  run({ value, height, width, batch_size }) {
    const data = new Float32Array(batch_size * height * width).fill(value)
    return { MASK: tensor(data, [batch_size, height, width]) }
  },
})
