/** TestConst: a whole number. */
import { defineNode } from '../../../../nodes/define.ts'
import { int } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestConst',
  category: 'testing',
  help: 'Gives its number.',
  inputs: { value: int({ default: 0, min: -1_000_000_000, max: 1_000_000_000 }) },
  outputs: { INT: 'INT' },
  run: ({ value }) => ({ INT: value }),
})
