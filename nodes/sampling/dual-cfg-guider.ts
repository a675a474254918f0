/** DualCFGGuider: guidance from a negative over a second to a first prompt (Brooks et al. 2023, equation 3). */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice, float } from '../spec.ts'

const scale = (help: string) => float({ default: 8, min: 0, max: 100, step: 0.1, round: 0.01, help })

export default defineNode({
  type: 'DualCFGGuider',
  category: 'sampling',
  title: 'DualCFGGuider',
  help: 'Two guidance scales over three prompts: three model evaluations a step instead of two.',
  inputs: {
    model: port('MODEL'),
    cond1: port('CONDITIONING'),
    cond2: port('CONDITIONING'),
    negative: port('CONDITIONING'),
    cfg_conds: scale('From the second prompt to the first; 1 in both leaves out the second.'),
    cfg_cond2_negative: scale('From the negative prompt to the second; 1 leaves out the negative one.'),
    style: choice(['regular', 'nested'], {
      default: 'regular',
      optional: true,
      help: 'Nested leads from the negative prompt to what the other two give together.',
    }),
  },
  outputs: { GUIDER: 'GUIDER' },
  run: ({ model, cond1, cond2, negative, cfg_conds, cfg_cond2_negative, style }) => ({
    GUIDER: {
      model,
      positive: cond1,
      negative,
      guidance: cfg_conds,
      second: { prompts: cond2, guidance: cfg_cond2_negative, nested: style === 'nested' },
    },
  }),
})
