/** TestForLoopOpen: where a counted loop begins. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { int } from '../../../../nodes/spec.ts'
import './helpers/ports.ts'

export default defineNode({
  type: 'TestForLoopOpen',
  category: 'flow',
  help: 'Begins a loop.',
  inputs: {
    remaining: int({ default: 1, min: 0, max: 100_000, step: 1 }),
    initial_value0: anyOf('*', { optional: true }),
    initial_value1: anyOf('*', { optional: true }),
    initial_value2: anyOf('*', { optional: true }),
    initial_value3: anyOf('*', { optional: true }),
    initial_value4: anyOf('*', { optional: true }),
  },
  outputs: { flow_control: 'FLOW_CONTROL', remaining: 'INT', value1: '*', value2: '*', value3: '*', value4: '*' },
  shapesFlow: true,
  run({ remaining: first, initial_value0, ...values }, context) {
    // The other end puts the count of what is left here when it copies the body.
    const remaining = typeof initial_value0 === 'number' ? initial_value0 : first
    const graph = context.graph()
    graph.node('TestWhileLoopOpen', { condition: remaining, initial_value0: remaining, ...values })
    return graph.give({
      flow_control: 'loop',
      remaining,
      value1: values.initial_value1,
      value2: values.initial_value2,
      value3: values.initial_value3,
      value4: values.initial_value4,
    })
  },
})
