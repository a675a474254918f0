/** TestAdd: the sum of two numbers. */
import { defineNode } from '../../../../nodes/define.ts'
import { int } from '../../../../nodes/spec.ts'

const number = int({ default: 0, min: -1_000_000_000, max: 1_000_000_000 })

export default defineNode({
  type: 'TestAdd',
  category: 'testing',
  help: 'Adds.',
  inputs: { a: number, b: number },
  outputs: { INT: 'INT' },
  run: ({ a, b }) => ({ INT: a + b }),
})
