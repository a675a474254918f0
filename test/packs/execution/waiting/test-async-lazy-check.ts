/** TestAsyncLazyCheck: asks for one of two inputs after a wait. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import { lazy, toggle } from '../../../../nodes/spec.ts'
import { picture } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestAsyncLazyCheck',
  category: 'waiting',
  help: 'Asks slowly.',
  inputs: { input1: lazy(anyOf('*')), input2: lazy(anyOf('*')), condition: toggle({ default: true }) },
  outputs: { IMAGE: 'IMAGE' },
  async needs({ input1, input2, condition }) {
    await wait(50)
    if (condition) return input1 === undefined ? ['input1'] : []
    return input2 === undefined ? ['input2'] : []
  },
  run: () => ({ IMAGE: picture(1) }),
})
