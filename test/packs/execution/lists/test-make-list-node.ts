/** TestMakeListNode: a list of the values that are given. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'

export default defineNode({
  type: 'TestMakeListNode',
  category: 'lists',
  help: 'Makes a list.',
  inputs: {
    value1: anyOf('*'),
    value2: anyOf('*', { optional: true }),
    value3: anyOf('*', { optional: true }),
    value4: anyOf('*', { optional: true }),
    value5: anyOf('*', { optional: true }),
    value6: anyOf('*', { optional: true }),
    value7: anyOf('*', { optional: true }),
    value8: anyOf('*', { optional: true }),
    value9: anyOf('*', { optional: true }),
  },
  outputs: { '*': '*' },
  listOutputs: ['*'],
  run: (values) => ({ '*': Object.values(values).filter((value) => value !== undefined) }),
})
