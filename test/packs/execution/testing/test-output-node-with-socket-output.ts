/** TestOutputNodeWithSocketOutput: an output node whose picture can be used further. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'
import { times } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestOutputNodeWithSocketOutput',
  category: 'testing',
  help: 'Scales.',
  inputs: { image: port('IMAGE'), value: float({ default: 1, min: 0, max: 10 }) },
  outputs: { IMAGE: 'IMAGE' },
  isOutput: true,
  run: ({ image, value }) => ({ IMAGE: times(image, value) }),
})
