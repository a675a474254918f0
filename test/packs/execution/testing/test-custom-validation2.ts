/** TestCustomValidation2: refuses literals and links by checks of its own. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { times } from '../stubs/helpers/pictures.ts'
import { kinds } from './helpers/kinds.ts'

export default defineNode({
  type: 'TestCustomValidation2',
  category: 'testing',
  help: 'Multiplies.',
  inputs: { input1: anyOf(['IMAGE', 'FLOAT']), input2: anyOf(['IMAGE', 'FLOAT']) },
  outputs: { IMAGE: 'IMAGE' },
  validateLiterals: kinds,
  validateLinks: kinds,
  run: ({ input1, input2 }) => ({ IMAGE: times(input1, input2) }),
})
