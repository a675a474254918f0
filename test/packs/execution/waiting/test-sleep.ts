/** TestSleep: waits, telling every 10 ms how far it is. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf, hidden } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestSleep',
  category: 'waiting',
  help: 'Waits.',
  inputs: {
    value: anyOf('*'),
    seconds: float({ default: 1, min: 0, max: 9999, step: 0.01, help: 'Seconds to wait.' }),
    unique_id: hidden('UNIQUE_ID'),
  },
  outputs: { value: '*' },
  async run({ value, seconds }, { report, signal }) {
    const started = performance.now()
    for (let now = 0; now < seconds;) {
      await wait(10, undefined, { signal })
      now = Math.min(seconds, (performance.now() - started) / 1000)
      report.progress(now, seconds)
    }
    return { value }
  },
})
