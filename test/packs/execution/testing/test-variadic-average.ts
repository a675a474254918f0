/** TestVariadicAverage: the mean of its picture and of all others that are linked to it. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import type { Tensor } from '../../../../diffusion/tensor.ts'
import { mean } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestVariadicAverage',
  category: 'testing',
  help: 'Averages pictures: input1, input2, ...',
  inputs: { input1: port('IMAGE') },
  outputs: { IMAGE: 'IMAGE' },
  variadic: true,
  run({ input1 }, { undeclared }) {
    const pictures = [input1]
    for (let next = undeclared['input2']; next !== undefined; next = undeclared[`input${pictures.length + 1}`])
      pictures.push(next as Tensor)
    return { IMAGE: mean(pictures) }
  },
})
