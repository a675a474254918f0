/** TestSyncError: fails at once. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'

export default defineNode({
  type: 'TestSyncError',
  category: 'waiting',
  help: 'Fails.',
  inputs: { value: anyOf('*') },
  outputs: { value: '*' },
  run(): { value: unknown } {
    throw new Error('This node fails on purpose, at once')
  },
})
