/** TestCustomValidation5: decides about its range itself, and refuses nothing but 7. */
import { defineNode } from '../../../../nodes/define.ts'
import { float } from '../../../../nodes/spec.ts'
import { times } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestCustomValidation5',
  category: 'testing',
  help: 'Multiplies.',
  inputs: { input1: float({ default: 0, min: 0, max: 1 }), input2: float({ default: 0, min: 0, max: 1 }) },
  outputs: { IMAGE: 'IMAGE' },
  validates: 'all',
  validate: ({ input2 }) => (input2 === 7 ? '7 is not allowed' : undefined),
  run: ({ input1, input2 }) => ({ IMAGE: times(input1, input2) }),
})
