/** PrimitiveString: a line of text for several inputs. */
import { defineNode } from '../define.ts'
import { text } from '../spec.ts'

export default defineNode({
  type: 'PrimitiveString',
  category: 'utility',
  title: 'String',
  help: 'A line of text.',
  inputs: { value: text({ help: 'The text.' }) },
  outputs: { STRING: 'STRING' },
  run: ({ value }) => ({ STRING: value }),
})
