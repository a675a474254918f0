/** TestAsyncValidation: checks its number after a wait. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { float } from '../../../../nodes/spec.ts'
import { picture } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestAsyncValidation',
  category: 'waiting',
  help: 'Checks slowly.',
  inputs: {
    value: float({ default: 5, min: -1e38, max: 1e38 }),
    threshold: float({ default: 10, min: -1e38, max: 1e38 }),
  },
  outputs: { IMAGE: 'IMAGE' },
  async validate({ value = 0, threshold = 0 }) {
    await wait(50)
    return value > threshold ? `Value ${value} exceeds threshold ${threshold}` : undefined
  },
  run: ({ value }) => ({ IMAGE: picture(value / 10) }),
})
