/** TestAsyncTimeout: gives up on what takes longer than it may. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestAsyncTimeout',
  category: 'waiting',
  help: 'Times out.',
  inputs: {
    value: anyOf('*'),
    timeout: float({ default: 1, min: 0.1, max: 10 }),
    operation_time: float({ default: 2, min: 0.1, max: 10 }),
  },
  outputs: { value: '*' },
  async run({ value, timeout, operation_time }) {
    await wait(Math.min(timeout, operation_time) * 1000)
    if (operation_time > timeout) throw new Error(`Operation timed out after ${timeout} seconds (timeout)`)
    return { value }
  },
})
