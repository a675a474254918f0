/** TestIntMathOperation: arithmetic on whole numbers. */
import { defineNode } from '../../../../nodes/define.ts'
import { choice, int } from '../../../../nodes/spec.ts'

const number = int({ default: 0, min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, step: 1 })

export default defineNode({
  type: 'TestIntMathOperation',
  category: 'logic',
  help: 'Computes.',
  inputs: {
    a: number,
    b: number,
    operation: choice(['add', 'subtract', 'multiply', 'divide', 'modulo', 'power'], { default: 'add' }),
  },
  outputs: { INT: 'INT' },
  run({ a, b, operation }) {
    if (operation === 'add') return { INT: a + b }
    if (operation === 'subtract') return { INT: a - b }
    if (operation === 'multiply') return { INT: a * b }
    if (operation === 'divide') return { INT: Math.floor(a / b) }
    return { INT: operation === 'modulo' ? ((a % b) + b) % b : a ** b }
  },
})
