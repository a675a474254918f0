/** StubInt: a whole number. */
import { defineNode } from '../../../../nodes/define.ts'
import { int } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'StubInt',
  category: 'stubs',
  help: 'Gives its number.',
  inputs: { value: int({ default: 0, min: -0xffffffff, max: 0xffffffff, step: 1 }) },
  outputs: { INT: 'INT' },
  run: ({ value }) => ({ INT: value }),
})
