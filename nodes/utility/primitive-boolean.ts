/** PrimitiveBoolean: yes or no for several inputs. */
import { defineNode } from '../define.ts'
import { toggle } from '../spec.ts'

export default defineNode({
  type: 'PrimitiveBoolean',
  category: 'utility',
  title: 'Boolean',
  help: 'Yes or no.',
  inputs: { value: toggle({ default: false, help: 'The value.' }) },
  outputs: { BOOLEAN: 'BOOLEAN' },
  run: ({ value }) => ({ BOOLEAN: value }),
})
