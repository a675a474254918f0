/** TestCustomValidation3: has its links, and nothing else, checked by itself. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { times } from '../stubs/helpers/pictures.ts'
import { kinds } from './helpers/kinds.ts'

export default defineNode({
  type: 'TestCustomValidation3',
  category: 'testing',
  help: 'Multiplies.',
  inputs: { input1: anyOf(['IMAGE', 'FLOAT']), input2: anyOf(['IMAGE', 'FLOAT']) },
  outputs: { IMAGE: 'IMAGE' },
  validateLinks: kinds,
  run: ({ input1, input2 }) => ({ IMAGE: times(input1, input2) }),
})
