/** TestIsChangedWithConstants: scales a picture; its fingerprint would use the picture if it were given one. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'
import { times } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestIsChangedWithConstants',
  category: 'testing',
  help: 'Scales.',
  inputs: { image: port('IMAGE'), value: float({ default: 1, min: 0, max: 10 }) },
  outputs: { IMAGE: 'IMAGE' },
  fingerprint: ({ image, value = 0 }) => (image === undefined ? value : (image.data[0] ?? 0) * value + Math.random()),
  run: ({ image, value }) => ({ IMAGE: times(image, value) }),
})
