/** TestBusyError: holds the engine for a while, then fails before anything else can run. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestBusyError',
  category: 'waiting',
  help: 'Fails at once after hard work.',
  inputs: { value: anyOf('*'), busy: float({ default: 0.03, min: 0, max: 10 }) },
  outputs: { value: '*' },
  async run({ busy }): Promise<{ value: unknown }> {
    const end = Date.now() + busy * 1000
    while (Date.now() < end);
    await Promise.resolve()
    throw new Error('This node fails on purpose, after hard work')
  },
})
