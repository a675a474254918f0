/** ConditioningCombine: two prompts of which the mean prediction counts. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'ConditioningCombine',
  category: 'conditioning',
  title: 'Conditioning (Combine)',
  help: 'Evaluates the model for both prompts and takes the mean of what it predicts: each prompt costs an evaluation.',
  inputs: { conditioning_1: port('CONDITIONING'), conditioning_2: port('CONDITIONING') },
  outputs: { CONDITIONING: 'CONDITIONING' },
  run: ({ conditioning_1, conditioning_2 }) => ({ CONDITIONING: [...conditioning_1, ...conditioning_2] }),
})
