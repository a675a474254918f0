/** TestAsyncValidationError: refuses what is too large, after a wait. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { float } from '../../../../nodes/spec.ts'
import { picture } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestAsyncValidationError',
  category: 'waiting',
  help: 'Checks slowly.',
  inputs: {
    value: float({ default: 5, min: -1e38, max: 1e38 }),
    max_value: float({ default: 10, min: -1e38, max: 1e38 }),
  },
  outputs: { IMAGE: 'IMAGE' },
  async validate({ value = 0, max_value = 0 }) {
    await wait(50)
    return value > max_value ? `Async validation failed: ${value} > ${max_value}` : undefined
  },
  run: ({ value, max_value }) => ({ IMAGE: picture(value / max_value) }),
})
