/** TestListToAccumulationNode: a list as one accumulation. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf } from '../../../../nodes/ports.ts'
import '../flow/helpers/ports.ts'

export default defineNode({
  type: 'TestListToAccumulationNode',
  category: 'lists',
  help: 'From a list.',
  inputs: { list: anyOf('*') },
  outputs: { ACCUMULATION: 'ACCUMULATION' },
  inputIsList: true,
  run: ({ list }) => ({ ACCUMULATION: list }),
})
