/** TestAsyncError: fails after a wait. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestAsyncError',
  category: 'waiting',
  help: 'Fails late.',
  inputs: { value: anyOf('*'), error_after: float({ default: 0.1, min: 0, max: 10 }) },
  outputs: { value: '*' },
  async run({ error_after }): Promise<{ value: unknown }> {
    await wait(error_after * 1000)
    throw new Error('This node fails on purpose, after a wait')
  },
})
