/** ConditioningSetTimestepRange: a prompt for a part of sampling. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float } from '../spec.ts'

const share = (value: number, help: string) => float({ default: value, min: 0, max: 1, step: 0.001, help })

export default defineNode({
  type: 'ConditioningSetTimestepRange',
  category: 'conditioning',
  title: 'ConditioningSetTimestepRange',
  help: 'The prompt applies between two shares of sampling, 0 the noisiest; combine it with one for the rest.',
  inputs: {
    conditioning: port('CONDITIONING'),
    start: share(0, 'Where it begins to apply.'),
    end: share(1, 'Where it ends.'),
  },
  outputs: { CONDITIONING: 'CONDITIONING' },
  run: ({ conditioning, start, end }) => ({
    CONDITIONING: conditioning.map((one) => ({ ...one, range: { start, end } })),
  }),
})
