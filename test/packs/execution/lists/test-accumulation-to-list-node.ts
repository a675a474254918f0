/** TestAccumulationToListNode: the values of an accumulation as a list. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import '../flow/helpers/ports.ts'

export default defineNode({
  type: 'TestAccumulationToListNode',
  category: 'lists',
  help: 'To a list.',
  inputs: { accumulation: port('ACCUMULATION') },
  outputs: { '*': '*' },
  listOutputs: ['*'],
  run: ({ accumulation }) => ({ '*': accumulation }),
})
