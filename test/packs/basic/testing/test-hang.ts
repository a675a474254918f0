/** TestHang: keeps the engine's event loop busy and hears no cancel, as a native call does. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestHang',
  category: 'testing',
  help: 'Blocks.',
  inputs: { value: port('INT'), seconds: float({ default: 60, min: 0, max: 600 }) },
  outputs: { INT: 'INT' },
  run({ value, seconds }) {
    const end = Date.now() + seconds * 1000
    while (Date.now() < end);
    return { INT: value }
  },
})
