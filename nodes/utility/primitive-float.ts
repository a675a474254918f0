/** PrimitiveFloat: a number for several inputs. */
import { defineNode } from '../define.ts'
import { float } from '../spec.ts'

const LARGEST = Number.MAX_SAFE_INTEGER

export default defineNode({
  type: 'PrimitiveFloat',
  category: 'utility',
  title: 'Float',
  help: 'A number.',
  inputs: { value: float({ default: 0, min: -LARGEST, max: LARGEST, help: 'The number.' }) },
  outputs: { FLOAT: 'FLOAT' },
  run: ({ value }) => ({ FLOAT: value }),
})
