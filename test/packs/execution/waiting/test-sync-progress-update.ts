/** TestSyncProgressUpdate: keeps the process busy, and tells how far it is. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'

const pause = new Int32Array(new SharedArrayBuffer(4))

export default defineNode({
  type: 'TestSyncProgressUpdate',
  category: 'waiting',
  help: 'Waits.',
  inputs: { value: anyOf('*'), sleep_seconds: float({ default: 1, min: 0, max: 60 }) },
  outputs: { value: '*' },
  run({ value, sleep_seconds }, { report }) {
    const end = performance.now() + sleep_seconds * 1000
    for (let left = sleep_seconds; left > 0; left = (end - performance.now()) / 1000) {
      report.progress(1 - left / sleep_seconds, 1)
      Atomics.wait(pause, 0, 0, 10)
    }
    report.progress(1, 1)
    return { value }
  },
})
