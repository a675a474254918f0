/** TestAsyncProgressUpdate: waits without blocking, and tells how far it is. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestAsyncProgressUpdate',
  category: 'waiting',
  help: 'Waits.',
  inputs: { value: anyOf('*'), sleep_seconds: float({ default: 1, min: 0, max: 60 }) },
  outputs: { value: '*' },
  async run({ value, sleep_seconds }, { report }) {
    const end = performance.now() + sleep_seconds * 1000
    for (let left = sleep_seconds; left > 0; left = (end - performance.now()) / 1000) {
      report.progress(1 - left / sleep_seconds, 1)
      await wait(10)
    }
    report.progress(1, 1)
    return { value }
  },
})
