/** TestFloatConditions: compares two numbers. */
import { defineNode } from '../../../../nodes/define.ts'
import { choice, float } from '../../../../nodes/spec.ts'
import { compare, OPERATORS } from './helpers/compare.ts'

const number = float({ default: 0, min: -999999999999, max: 999999999999, step: 1 })

export default defineNode({
  type: 'TestFloatConditions',
  category: 'logic',
  help: 'Compares.',
  inputs: { a: number, b: number, operation: choice(OPERATORS, { default: '==' }) },
  outputs: { BOOLEAN: 'BOOLEAN' },
  run: ({ a, b, operation }) => ({ BOOLEAN: compare(a, b, operation) }),
})
