/** BenchConst: a whole number. */
import { defineNode } from '../../../../nodes/define.ts'
import { int } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'BenchConst',
  category: 'bench',
  help: 'Gives its number.',
  inputs: { value: int({ default: 0, min: -1e15, max: 1e15 }) },
  outputs: { INT: 'INT' },
  run: ({ value }) => ({ INT: value }),
})
