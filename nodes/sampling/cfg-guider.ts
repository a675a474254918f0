/** CFGGuider: classifier-free guidance between a negative and a positive prompt. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float } from '../spec.ts'

export default defineNode({
  type: 'CFGGuider',
  category: 'sampling',
  title: 'CFGGuider',
  help: 'Leads from the negative prompt to the positive one, and beyond.',
  inputs: {
    model: port('MODEL'),
    positive: port('CONDITIONING'),
    negative: port('CONDITIONING'),
    cfg: float({
      default: 8,
      min: 0,
      max: 100,
      step: 0.1,
      round: 0.01,
      help: 'Guidance; 1 leaves out the negative prompt and halves the work.',
    }),
  },
  outputs: { GUIDER: 'GUIDER' },
  run: ({ model, positive, negative, cfg }) => ({ GUIDER: { model, positive, negative, guidance: cfg } }),
})
