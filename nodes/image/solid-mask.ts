/** SolidMask: a mask of one value. */
import { tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { float, int } from '../spec.ts'

const side = int({ default: 512, min: 1, max: 16384, help: 'Pixels.' })

export default defineNode({
  type: 'SolidMask',
  category: 'image',
  title: 'SolidMask',
  help: 'A mask that is the same everywhere.',
  inputs: {
    value: float({ default: 1, min: 0, max: 1, step: 0.01, help: 'Of every place.' }),
    width: side,
    height: side,
  },
  outputs: { MASK: 'MASK' },
  run: ({ value, width, height }) => ({
    MASK: tensor(new Float32Array(width * height).fill(value), [1, height, width]),
  }),
})
