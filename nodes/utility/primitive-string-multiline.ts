/** PrimitiveStringMultiline: text of several lines for several inputs. */
import { defineNode } from '../define.ts'
import { text } from '../spec.ts'

export default defineNode({
  type: 'PrimitiveStringMultiline',
  category: 'utility',
  title: 'String (Multiline)',
  help: 'Text of several lines.',
  inputs: { value: text({ multiline: true, help: 'The text.' }) },
  outputs: { STRING: 'STRING' },
  run: ({ value }) => ({ STRING: value }),
})
