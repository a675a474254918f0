/** TestCustomValidation4: takes floats alone. */
import { defineNode } from '../../../../nodes/define.ts'
import { float } from '../../../../nodes/spec.ts'
import { times } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestCustomValidation4',
  category: 'testing',
  help: 'Multiplies.',
  inputs: {
    input1: float({ default: 0, min: -1e38, max: 1e38 }),
    input2: float({ default: 0, min: -1e38, max: 1e38 }),
  },
  outputs: { IMAGE: 'IMAGE' },
  validate({ input1, input2 }) {
    const wrong = [input1, input2].find((value: unknown) => value !== undefined && typeof value !== 'number')
    return wrong === undefined ? undefined : `Invalid type: ${typeof wrong}`
  },
  run: ({ input1, input2 }) => ({ IMAGE: times(input1, input2) }),
})
