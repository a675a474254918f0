/** TestShow: an output node that shows a number as text. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'

export default defineNode({
  type: 'TestShow',
  category: 'testing',
  help: 'Shows a number.',
  inputs: { value: port('INT') },
  outputs: {},
  isOutput: true,
  run: ({ value }) => ({ ui: { text: [String(value)] } }),
})
