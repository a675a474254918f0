/** TestAsyncConcurrentLimit: waits, but never more than two at a time. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { float, int } from '../../../../nodes/spec.ts'

let free = 2
const line: (() => void)[] = []

export default defineNode({
  type: 'TestAsyncConcurrentLimit',
  category: 'waiting',
  help: 'Waits in turn.',
  inputs: {
    value: anyOf('*'),
    duration: float({ default: 0.5, min: 0.1, max: 2 }),
    node_id: int({ default: 0, min: 0, max: 1_000_000 }),
  },
  outputs: { value: '*' },
  async run({ value, duration }) {
    if (free === 0) await new Promise<void>((resolve) => line.push(resolve))
    else free--
    try {
      await wait(duration * 1000)
      return { value }
    } finally {
      const next = line.shift()
      if (next) next()
      else free++
    }
  },
})
