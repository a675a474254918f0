/** TestAccumulationTailNode: the last value of an accumulation, and the rest. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import '../flow/helpers/ports.ts'

export default defineNode({
  type: 'TestAccumulationTailNode',
  category: 'lists',
  help: 'Takes the last.',
  inputs: { accumulation: port('ACCUMULATION') },
  outputs: { ACCUMULATION: 'ACCUMULATION', value: '*' },
  run: ({ accumulation }) => ({ ACCUMULATION: accumulation.slice(0, -1), value: accumulation.at(-1) }),
})
