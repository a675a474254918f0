/** FewerSteps: how many steps a plain run may make for the compute that a cached one left over: the honest rival of every cache. */
import { evaluationsOf, stepsWithin } from '../../diffusion/fewer-steps.ts'
import { samplers } from '../../diffusion/registry.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice, float, int } from '../spec.ts'

export default defineNode({
  type: 'FewerSteps',
  category: 'caching',
  title: 'Fewer Steps',
  help:
    'Gives the steps of a plain run at equal compute: wire them to the steps of a second KSampler without a cache, and compare the pictures. ' +
    'It gives no CACHE: other noise levels are no matter for a cache, and a better sampler at fewer steps is often the stronger rival.',
  inputs: {
    steps: int({ default: 30, min: 1, max: 10000, help: 'Steps of the full run that is to be matched.' }),
    share: float({
      default: 0.5,
      min: 0.01,
      max: 1,
      step: 0.01,
      help: 'Share of the full run that may be computed; a report, where one is connected, comes first.',
    }),
    full_sampler: choice([...samplers.keys()], {
      default: 'euler',
      help: 'Sampler of the full run, whose evaluations are counted; heun makes two a step.',
    }),
    sampler_name: choice([...samplers.keys()], {
      default: 'dpmpp_2m',
      help: 'Sampler of the run with fewer steps. One with two evaluations a step gets half the steps.',
    }),
    report: port('CACHE_REPORT', {
      optional: true,
      help: 'Of a cached run: then just as many evaluations are allowed as its computed blocks make up.',
    }),
  },
  outputs: { steps: 'INT', evaluations: 'INT' },
  run({ steps, share, full_sampler, sampler_name, report }) {
    const [full, rival] = [samplers.get(full_sampler)!, samplers.get(sampler_name)!]
    const allowed = report
      ? (report.evaluations * report.computedBlocks) / report.totalBlocks
      : share * evaluationsOf(full, steps)
    // A hair of rounding must not cost a step.
    const fewer = stepsWithin(rival, Math.floor(allowed + 1e-9))
    return { steps: fewer, evaluations: evaluationsOf(rival, fewer) }
  },
})
