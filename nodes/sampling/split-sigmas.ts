/** SplitSigmas: noise levels in two parts, for two samplers. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { int } from '../spec.ts'

export default defineNode({
  type: 'SplitSigmas',
  category: 'sampling',
  title: 'SplitSigmas',
  help: 'The noise levels up to a step, and those from it on; the level between belongs to both.',
  inputs: { sigmas: port('SIGMAS'), step: int({ default: 0, min: 0, max: 10000 }) },
  outputs: { high_sigmas: 'SIGMAS', low_sigmas: 'SIGMAS' },
  run: ({ sigmas, step }) => ({ high_sigmas: sigmas.slice(0, step + 1), low_sigmas: sigmas.slice(step) }),
})
