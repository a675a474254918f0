/** TestWhileLoopClose: where a loop ends: while its condition holds, it copies the body once more. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf, hidden, port, rawLink } from '../../../../nodes/ports.ts'
import { toggle } from '../../../../nodes/spec.ts'
import { bodyOf, linkIn } from './helpers/body.ts'
import { SOCKETS } from './helpers/ports.ts'

export default defineNode({
  type: 'TestWhileLoopClose',
  category: 'flow',
  help: 'Ends a loop.',
  inputs: {
    flow_control: rawLink(port('FLOW_CONTROL')),
    condition: toggle({ default: true }),
    initial_value0: anyOf('*', { optional: true }),
    initial_value1: anyOf('*', { optional: true }),
    initial_value2: anyOf('*', { optional: true }),
    initial_value3: anyOf('*', { optional: true }),
    initial_value4: anyOf('*', { optional: true }),
    dynprompt: hidden('DYNPROMPT'),
    unique_id: hidden('UNIQUE_ID'),
  },
  outputs: { value0: '*', value1: '*', value2: '*', value3: '*', value4: '*' },
  shapesFlow: true,
  run({ flow_control: [open], condition, dynprompt, unique_id, ...rest }, context) {
    const carried: Readonly<Record<string, unknown>> = rest
    const valuesBy = (give: (index: number) => unknown) => ({
      value0: give(0),
      value1: give(1),
      value2: give(2),
      value3: give(3),
      value4: give(4),
    })
    if (!condition) return valuesBy((index) => carried[`initial_value${index}`])
    const graph = context.graph()
    const nameOf = (id: string) => (id === unique_id ? 'Recurse' : id)
    const body = bodyOf(dynprompt, open, unique_id)
    for (const id of body) graph.node(dynprompt.node(id)?.class_type ?? '', {}, { name: nameOf(id), display: id })
    for (const id of body)
      for (const [input, value] of Object.entries(dynprompt.node(id)?.inputs ?? {})) {
        const link = linkIn(value)
        const inside = link && body.has(link[0])
        graph.named(nameOf(id)).set(input, inside ? graph.named(nameOf(link[0])).out(link[1]) : value)
      }
    for (let i = 0; i < SOCKETS; i++) graph.named(nameOf(open)).set(`initial_value${i}`, carried[`initial_value${i}`])
    const again = graph.named('Recurse')
    return graph.give(valuesBy((index) => again.out(index)))
  },
})
