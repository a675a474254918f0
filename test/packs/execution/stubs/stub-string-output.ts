/** StubStringOutput: a text. */
import { defineNode } from '../../../../nodes/define.ts'
import { text } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'StubStringOutput',
  category: 'stubs',
  help: 'Gives its text.',
  inputs: { value: text() },
  outputs: { STRING: 'STRING' },
  run: ({ value }) => ({ STRING: value }),
})
