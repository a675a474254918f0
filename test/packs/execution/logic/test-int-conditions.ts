/** TestIntConditions: compares two numbers. */
import { defineNode } from '../../../../nodes/define.ts'
import { choice, int } from '../../../../nodes/spec.ts'
import { compare, OPERATORS } from './helpers/compare.ts'

const number = int({ default: 0, min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, step: 1 })

export default defineNode({
  type: 'TestIntConditions',
  category: 'logic',
  help: 'Compares.',
  inputs: { a: number, b: number, operation: choice(OPERATORS, { default: '==' }) },
  outputs: { BOOLEAN: 'BOOLEAN' },
  run: ({ a, b, operation }) => ({ BOOLEAN: compare(a, b, operation) }),
})
