/** TestCrash: ends its whole process, as a native library may; only once when `once` names a file that it then makes. */
import { existsSync, writeFileSync } from 'node:fs'
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { text } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestCrash',
  category: 'testing',
  help: 'Kills the engine.',
  inputs: { value: port('INT'), once: text() },
  outputs: { INT: 'INT' },
  run({ value, once }) {
    if (once !== '' && existsSync(once)) return { INT: value }
    if (once !== '') writeFileSync(once, '')
    process.kill(process.pid, 'SIGKILL')
    return { INT: value }
  },
})
