/** StubConstantImage: a picture of one value. */
import { defineNode } from '../../../../nodes/define.ts'
import { float } from '../../../../nodes/spec.ts'
import { picture, sizes } from './helpers/pictures.ts'

export default defineNode({
  type: 'StubConstantImage',
  category: 'stubs',
  help: 'A picture of one value.',
  inputs: { value: float({ default: 0.5, min: 0, max: 1, step: 0.01 }), ...sizes },
  outputs: { IMAGE: 'IMAGE' },
  run: ({ value, height, width, batch_size }) => ({ IMAGE: picture(value, [batch_size, height, width]) }),
})
