/** TestSleep: waits without computing, reporting progress; stops when cancelled. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestSleep',
  category: 'testing',
  help: 'Waits.',
  inputs: { value: port('INT'), seconds: float({ default: 1, min: 0, max: 60 }) },
  outputs: { INT: 'INT' },
  async run({ value, seconds }, { report }) {
    const steps = Math.max(1, Math.round(seconds * 100))
    for (let step = 1; step <= steps; step++) {
      await wait((seconds * 1000) / steps)
      report.progress(step, steps)
    }
    return { INT: value }
  },
})
