/** TestParallelSleep: expands to three sleeps and their average. */
import { defineNode } from '../../../../nodes/define.ts'
import { hidden, port } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestParallelSleep',
  category: 'waiting',
  help: 'Waits three times at once.',
  inputs: {
    image1: port('IMAGE'),
    image2: port('IMAGE'),
    image3: port('IMAGE'),
    sleep1: float({ default: 0.5, min: 0, max: 10, step: 0.01 }),
    sleep2: float({ default: 0.5, min: 0, max: 10, step: 0.01 }),
    sleep3: float({ default: 0.5, min: 0, max: 10, step: 0.01 }),
    unique_id: hidden('UNIQUE_ID'),
  },
  outputs: { IMAGE: 'IMAGE' },
  isOutput: true,
  shapesFlow: true,
  run({ image1, image2, image3, sleep1, sleep2, sleep3 }, context) {
    const graph = context.graph()
    const sleep = (value: unknown, seconds: number) => graph.node('TestSleep', { value, seconds }).out(0)
    const blend = graph.node('TestVariadicAverage', {
      input1: sleep(image1, sleep1),
      input2: sleep(image2, sleep2),
      input3: sleep(image3, sleep3),
    })
    return graph.give({ IMAGE: blend.out(0) })
  },
})
