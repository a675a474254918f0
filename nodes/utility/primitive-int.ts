/** PrimitiveInt: a whole number for several inputs. */
import { defineNode } from '../define.ts'
import { int } from '../spec.ts'

const LARGEST = Number.MAX_SAFE_INTEGER

export default defineNode({
  type: 'PrimitiveInt',
  category: 'utility',
  title: 'Int',
  help: 'A whole number.',
  inputs: { value: int({ default: 0, min: -LARGEST, max: LARGEST, help: 'The number.' }) },
  outputs: { INT: 'INT' },
  run: ({ value }) => ({ INT: value }),
})
