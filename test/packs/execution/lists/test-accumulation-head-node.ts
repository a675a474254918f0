/** TestAccumulationHeadNode: the first value of an accumulation, and the rest. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import '../flow/helpers/ports.ts'

export default defineNode({
  type: 'TestAccumulationHeadNode',
  category: 'lists',
  help: 'Takes the first.',
  inputs: { accumulation: port('ACCUMULATION') },
  outputs: { ACCUMULATION: 'ACCUMULATION', value: '*' },
  run: ({ accumulation }) => ({ ACCUMULATION: accumulation.slice(1), value: accumulation[0] }),
})
