/** TestToBoolNode: whether a value is anything but nothing, zero, empty or black. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { toggle } from '../../../../nodes/spec.ts'

function isSomething(value: unknown): boolean {
  const data = (value as { data?: unknown } | null | undefined)?.data
  return data instanceof Float32Array ? data.some((one) => one !== 0) : Boolean(value)
}

export default defineNode({
  type: 'TestToBoolNode',
  category: 'logic',
  help: 'To true or false.',
  inputs: { value: anyOf('*'), invert: toggle({ default: false, optional: true }) },
  outputs: { BOOLEAN: 'BOOLEAN' },
  run: ({ value, invert }) => ({ BOOLEAN: isSomething(value) !== invert }),
})
