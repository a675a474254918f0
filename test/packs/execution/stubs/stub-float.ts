/** StubFloat: a number. */
import { defineNode } from '../../../../nodes/define.ts'
import { float } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'StubFloat',
  category: 'stubs',
  help: 'Gives its number.',
  inputs: { value: float({ default: 0, min: -1e38, max: 1e38, step: 0.01 }) },
  outputs: { FLOAT: 'FLOAT' },
  run: ({ value }) => ({ FLOAT: value }),
})
