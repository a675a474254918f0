/** TestCustomIsChanged: passes a picture on; on request never from the memo. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { toggle } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestCustomIsChanged',
  category: 'testing',
  help: 'Passes on.',
  inputs: { image: port('IMAGE'), should_change: toggle({ default: false, optional: true }) },
  outputs: { IMAGE: 'IMAGE' },
  fingerprint: ({ should_change = false }) => (should_change ? NaN : false),
  run: ({ image }) => ({ IMAGE: image }),
})
