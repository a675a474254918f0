/** TestCustomValidation1: refuses literals that are no floats; links by its declared types. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { times } from '../stubs/helpers/pictures.ts'
import { kinds } from './helpers/kinds.ts'

export default defineNode({
  type: 'TestCustomValidation1',
  category: 'testing',
  help: 'Multiplies.',
  inputs: { input1: anyOf(['IMAGE', 'FLOAT']), input2: anyOf(['IMAGE', 'FLOAT']) },
  outputs: { IMAGE: 'IMAGE' },
  validateLiterals: kinds,
  run: ({ input1, input2 }) => ({ IMAGE: times(input1, input2) }),
})
