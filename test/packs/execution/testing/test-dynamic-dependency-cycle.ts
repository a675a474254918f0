/** TestDynamicDependencyCycle: expands to two mixers that need each other. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'

export default defineNode({
  type: 'TestDynamicDependencyCycle',
  category: 'testing',
  help: 'Expands to a ring.',
  inputs: { input1: port('IMAGE'), input2: port('IMAGE') },
  outputs: { IMAGE: 'IMAGE' },
  shapesFlow: true,
  run({ input1, input2 }, context) {
    const graph = context.graph()
    const mask = graph.node('StubMask', { value: 0.5, height: 512, width: 512, batch_size: 1 }).out(0)
    const first = graph.node('TestLazyMixImages', { image1: input1, mask })
    const second = graph.node('TestLazyMixImages', { image1: first.out(0), image2: input2, mask })
    first.set('image2', second.out(0))
    return graph.give({ IMAGE: second.out(0) })
  },
})
