/** TestDynamicAsyncGeneration: expands to sleeps and their average. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { float, int } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestDynamicAsyncGeneration',
  category: 'waiting',
  help: 'Waits many times at once.',
  inputs: {
    image1: port('IMAGE'),
    image2: port('IMAGE'),
    num_async_nodes: int({ default: 3, min: 1, max: 10 }),
    sleep_duration: float({ default: 0.2, min: 0.1, max: 1 }),
  },
  outputs: { IMAGE: 'IMAGE' },
  shapesFlow: true,
  run({ image1, image2, num_async_nodes, sleep_duration }, context) {
    const graph = context.graph()
    const inputs = Array.from({ length: num_async_nodes }, (_, i) => {
      const sleep = graph.node('TestSleep', { value: i % 2 === 0 ? image1 : image2, seconds: sleep_duration })
      return [`input${i + 1}`, sleep.out(0)] as const
    })
    return graph.give({ IMAGE: graph.node('TestVariadicAverage', Object.fromEntries(inputs)).out(0) })
  },
})
