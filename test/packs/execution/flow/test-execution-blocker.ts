/** TestExecutionBlocker: passes a value on, or blocks what follows. */
import { Blocked, defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { toggle } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestExecutionBlocker',
  category: 'flow',
  help: 'Blocks.',
  inputs: { input: anyOf('*'), block: toggle({ default: false }), verbose: toggle({ default: false }) },
  outputs: { output: '*' },
  shapesFlow: true,
  run: ({ input, block, verbose }) => ({ output: block ? new Blocked(verbose ? 'Blocked Execution' : null) : input }),
})
