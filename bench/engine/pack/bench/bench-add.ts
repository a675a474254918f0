/** BenchAdd: the sum of two whole numbers. */
import { defineNode } from '../../../../nodes/define.ts'
import { int } from '../../../../nodes/spec.ts'

const number = int({ default: 0, min: -1e15, max: 1e15 })

export default defineNode({
  type: 'BenchAdd',
  category: 'bench',
  help: 'Adds.',
  inputs: { a: number, b: number },
  outputs: { INT: 'INT' },
  run: ({ a, b }) => ({ INT: a + b }),
})
