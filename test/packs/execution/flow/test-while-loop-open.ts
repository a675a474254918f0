/** TestWhileLoopOpen: where a loop begins: passes its values on. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { toggle } from '../../../../nodes/spec.ts'
import './helpers/ports.ts'

export default defineNode({
  type: 'TestWhileLoopOpen',
  category: 'flow',
  help: 'Begins a loop.',
  inputs: {
    condition: toggle({ default: true }),
    initial_value0: anyOf('*', { optional: true }),
    initial_value1: anyOf('*', { optional: true }),
    initial_value2: anyOf('*', { optional: true }),
    initial_value3: anyOf('*', { optional: true }),
    initial_value4: anyOf('*', { optional: true }),
  },
  outputs: { FLOW_CONTROL: 'FLOW_CONTROL', value0: '*', value1: '*', value2: '*', value3: '*', value4: '*' },
  run: (values) => ({
    FLOW_CONTROL: 'loop',
    value0: values.initial_value0,
    value1: values.initial_value1,
    value2: values.initial_value2,
    value3: values.initial_value3,
    value4: values.initial_value4,
  }),
})
