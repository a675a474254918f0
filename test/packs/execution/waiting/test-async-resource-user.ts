/** TestAsyncResourceUser: holds a named resource while it waits, and fails if another holds it. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { float, text } from '../../../../nodes/spec.ts'

const held = new Set<string>()

export default defineNode({
  type: 'TestAsyncResourceUser',
  category: 'waiting',
  help: 'Uses a resource.',
  inputs: {
    value: anyOf('*'),
    resource_id: text({ default: 'resource_0' }),
    duration: float({ default: 0.1, min: 0, max: 1 }),
  },
  outputs: { value: '*' },
  async run({ value, resource_id, duration }) {
    if (held.has(resource_id)) throw new Error(`Resource ${resource_id} is already in use!`)
    held.add(resource_id)
    try {
      await wait(duration * 1000)
      return { value }
    } finally {
      held.delete(resource_id)
    }
  },
})
