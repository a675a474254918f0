/** TestFail: fails with the given message. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { text } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestFail',
  category: 'testing',
  help: 'Fails.',
  inputs: { value: port('INT'), message: text({ default: 'it failed' }) },
  outputs: { INT: 'INT' },
  run({ message }): { INT: number } {
    throw new RangeError(message)
  },
})
