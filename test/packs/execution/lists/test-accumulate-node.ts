/** TestAccumulateNode: an accumulation with one more value. */
import { defineNode } from '../../../../nodes/define.ts'
import { anyOf, port } from '../../../../nodes/ports.ts'
import '../flow/helpers/ports.ts'

export default defineNode({
  type: 'TestAccumulateNode',
  category: 'lists',
  help: 'Adds a value.',
  inputs: { to_add: anyOf('*'), accumulation: port('ACCUMULATION', { optional: true }) },
  outputs: { ACCUMULATION: 'ACCUMULATION' },
  run: ({ to_add, accumulation = [] }) => ({ ACCUMULATION: [...accumulation, to_add] }),
})
