/** ModelSamplingAuraFlow: the time shift of a flow model, with AuraFlow's default. */
import { defineNode } from '../define.ts'
import { shiftInputs, shiftOutputs, shifted } from './running/shift.ts'

export default defineNode({
  type: 'ModelSamplingAuraFlow',
  category: 'sampling',
  title: 'ModelSamplingAuraFlow',
  help: 'Shifts the noise levels of a flow model, as ModelSamplingSD3 does; used with AuraFlow, Qwen-Image and Z-Image.',
  inputs: shiftInputs(1.73),
  outputs: shiftOutputs,
  run: ({ model, shift }) => ({ MODEL: shifted('ModelSamplingAuraFlow', model, shift) }),
})
