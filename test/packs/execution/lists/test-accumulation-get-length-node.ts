/** TestAccumulationGetLengthNode: how many values an accumulation has. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import '../flow/helpers/ports.ts'

export default defineNode({
  type: 'TestAccumulationGetLengthNode',
  category: 'lists',
  help: 'Counts.',
  inputs: { accumulation: port('ACCUMULATION') },
  outputs: { INT: 'INT' },
  run: ({ accumulation }) => ({ INT: accumulation.length }),
})
