/** TestOmittedOptionalInput: scales and masks a picture, and need not be told how. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'
import { tensor } from '../../../../diffusion/tensor.ts'
import { times } from '../stubs/helpers/pictures.ts'

export default defineNode({
  type: 'TestOmittedOptionalInput',
  category: 'testing',
  help: 'Scales a picture, by half if no scale is given.',
  inputs: {
    image: port('IMAGE'),
    mask: port('MASK', { optional: true }),
    scale: float({ default: 0.5, min: 0, max: 1, step: 0.01, optional: true }),
  },
  outputs: { IMAGE: 'IMAGE' },
  run({ image, mask, scale }) {
    const scaled = times(image, scale)
    if (!mask) return { IMAGE: scaled }
    const channels = image.shape.at(-1) ?? 1
    return {
      IMAGE: tensor(
        scaled.data.map((value, i) => value * (mask.data[Math.floor(i / channels)] ?? 0)),
        image.shape,
      ),
    }
  },
})
