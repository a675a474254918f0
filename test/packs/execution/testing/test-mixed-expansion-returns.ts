/** TestMixedExpansionReturns: gives pictures itself up to 0.2, and above by nodes that it adds. */
import { defineNode } from '../../../../nodes/define.ts'
import { float } from '../../../../nodes/spec.ts'
import { picture } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestMixedExpansionReturns',
  category: 'testing',
  help: 'Gives two pictures.',
  inputs: { input1: float({ default: 0, min: -1e38, max: 1e38 }) },
  outputs: { first: 'IMAGE', second: 'IMAGE' },
  shapesFlow: true,
  run({ input1 }, context) {
    if (input1 <= 0.1) return { first: picture(0.1), second: picture(1) }
    if (input1 <= 0.2) return { first: picture(0.2), second: picture(1) }
    const graph = context.graph()
    const size = { height: 512, width: 512, batch_size: 1 }
    const mixed = graph.node('TestLazyMixImages', {
      image1: graph.node('StubImage', { content: 'BLACK', ...size }).out(0),
      image2: graph.node('StubImage', { content: 'WHITE', ...size }).out(0),
      mask: graph.node('StubMask', { value: 0.3, ...size }).out(0),
    })
    return graph.give({ first: mixed.out(0), second: picture(1) })
  },
})
