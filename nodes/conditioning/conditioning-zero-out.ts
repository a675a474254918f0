/** ConditioningZeroOut: a prompt of zeros, which models that were trained to can take for none. */
import { zeros } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'ConditioningZeroOut',
  category: 'conditioning',
  title: 'ConditioningZeroOut',
  help: 'Zeros in place of the text: the negative prompt of SD3.5 and others.',
  inputs: { conditioning: port('CONDITIONING') },
  outputs: { CONDITIONING: 'CONDITIONING' },
  run: ({ conditioning }) => ({
    CONDITIONING: conditioning.map((one) => ({
      ...one,
      tokens: zeros(one.tokens.shape),
      pooled: one.pooled && zeros(one.pooled.shape),
    })),
  }),
})
