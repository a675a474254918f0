/** ModelSamplingSD3: another time shift for a flow model. */
import { defineNode } from '../define.ts'
import { shiftInputs, shiftOutputs, shifted } from './running/shift.ts'

export default defineNode({
  type: 'ModelSamplingSD3',
  category: 'sampling',
  title: 'ModelSamplingSD3',
  help: 'Shifts the noise levels of a flow model; larger pictures want a larger shift.',
  inputs: shiftInputs(3),
  outputs: shiftOutputs,
  run: ({ model, shift }) => ({ MODEL: shifted('ModelSamplingSD3', model, shift) }),
})
