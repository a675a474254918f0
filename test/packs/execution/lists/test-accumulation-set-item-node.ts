/** TestAccumulationSetItemNode: an accumulation with one value replaced. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf, port } from '../../../../nodes/ports.ts'
import { int } from '../../../../nodes/spec.ts'
import '../flow/helpers/ports.ts'

export default defineNode({
  type: 'TestAccumulationSetItemNode',
  category: 'lists',
  help: 'Replaces one.',
  inputs: {
    accumulation: port('ACCUMULATION'),
    index: int({ default: 0, min: -1_000_000, max: 1_000_000, step: 1 }),
    value: anyOf('*'),
  },
  outputs: { ACCUMULATION: 'ACCUMULATION' },
  run: ({ accumulation, index, value }) => ({ ACCUMULATION: accumulation.with(index, value) }),
})
