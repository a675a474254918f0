/** TestBoolOperationNode: joins two truth values. */
import { defineNode } from '../../../../nodes/define.ts'
import { choice, toggle } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestBoolOperationNode',
  category: 'logic',
  help: 'Joins.',
  inputs: {
    a: toggle({ default: false }),
    b: toggle({ default: false }),
    op: choice(['a AND b', 'a OR b', 'a XOR b', 'NOT a'], { default: 'a AND b' }),
  },
  outputs: { BOOLEAN: 'BOOLEAN' },
  run({ a, b, op }) {
    if (op === 'a AND b') return { BOOLEAN: a && b }
    if (op === 'a OR b') return { BOOLEAN: a || b }
    return { BOOLEAN: op === 'a XOR b' ? a !== b : !a }
  },
})
