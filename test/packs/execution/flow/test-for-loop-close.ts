/** TestForLoopClose: where a counted loop ends: counts down, and loops while anything is left. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf, port, rawLink } from '../../../../nodes/ports.ts'
import './helpers/ports.ts'

export default defineNode({
  type: 'TestForLoopClose',
  category: 'flow',
  help: 'Ends a loop.',
  inputs: {
    flow_control: rawLink(port('FLOW_CONTROL')),
    initial_value1: rawLink(anyOf('*', { optional: true })),
    initial_value2: rawLink(anyOf('*', { optional: true })),
    initial_value3: rawLink(anyOf('*', { optional: true })),
    initial_value4: rawLink(anyOf('*', { optional: true })),
  },
  outputs: { value1: '*', value2: '*', value3: '*', value4: '*' },
  shapesFlow: true,
  run({ flow_control, ...values }, context) {
    const graph = context.graph()
    const left = graph.node('TestIntMathOperation', { operation: 'subtract', a: [flow_control[0], 1], b: 1 })
    const goOn = graph.node('TestToBoolNode', { value: left.out(0) })
    const close = graph.node('TestWhileLoopClose', {
      flow_control,
      condition: goOn.out(0),
      initial_value0: left.out(0),
      ...values,
    })
    return graph.give({ value1: close.out(1), value2: close.out(2), value3: close.out(3), value4: close.out(4) })
  },
})
