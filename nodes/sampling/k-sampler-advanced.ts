/** KSamplerAdvanced: some of the steps of a schedule, so that several samplers can share one. */
import { runSigmas } from '../../diffusion/noise-levels.ts'
import { samplers, schedules } from '../../diffusion/registry.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { cacheInput, noNoise, randomNoise, samplerName, schedulerName } from '../sampling-run.ts'
import { choice, float, int, seed } from '../spec.ts'
import { runNode } from './running/run.ts'

/** The levels from step `first` to step `last`; none where the first step lies at or beyond the end. */
function stepsOf(sigmas: readonly number[], first: number, last: number, toZero: boolean): readonly number[] {
  const cut = last < sigmas.length - 1
  const ended = cut ? [...sigmas.slice(0, last), toZero ? 0 : sigmas[last]!] : sigmas
  return first < ended.length - 1 ? ended.slice(first) : []
}

export default defineNode({
  type: 'KSamplerAdvanced',
  category: 'sampling',
  title: 'KSampler (Advanced)',
  help: 'Runs the steps from start to end of a schedule. Give on a latent that still has noise to another sampler of the same schedule.',
  inputs: {
    model: port('MODEL'),
    add_noise: choice(['enable', 'disable'], {
      default: 'enable',
      help: 'Disable for a latent that another sampler left with its noise.',
    }),
    noise_seed: seed({ help: 'Chooses the starting noise.' }),
    steps: int({ default: 20, min: 1, max: 10000, help: 'Of the whole schedule.' }),
    cfg: float({
      default: 8,
      min: 0,
      max: 100,
      step: 0.1,
      round: 0.01,
      help: 'Guidance; 1 leaves out the negative prompt and halves the work.',
    }),
    sampler_name: samplerName,
    scheduler: schedulerName,
    positive: port('CONDITIONING', { help: 'What the picture should show.' }),
    negative: port('CONDITIONING', { help: 'What guidance steers away from.' }),
    latent_image: port('LATENT'),
    start_at_step: int({ default: 0, min: 0, max: 10000, help: 'Steps before it are left out.' }),
    end_at_step: int({ default: 10000, min: 0, max: 10000, help: 'Steps from it on are left out.' }),
    return_with_leftover_noise: choice(['disable', 'enable'], {
      default: 'disable',
      help: 'Disable goes to the clean latent with the last step, also where the schedule does not.',
    }),
    cache: cacheInput,
  },
  outputs: { LATENT: 'LATENT', report: 'CACHE_REPORT' },
  async run({ model, positive, negative, cfg, latent_image, cache, ...settings }, context) {
    const [sampler, schedule] = [samplers.get(settings.sampler_name)!, schedules.get(settings.scheduler)!]
    const whole = runSigmas(schedule, settings.steps, 1, model.parametrisation, sampler)
    const toZero = settings.return_with_leftover_noise === 'disable'
    const noise = settings.add_noise === 'enable' ? randomNoise : noNoise
    const { output, report } = await runNode(
      {
        guider: { model, positive, negative, guidance: cfg },
        sampler,
        sigmas: stepsOf(whole, settings.start_at_step, settings.end_at_step, toZero),
        noise: noise(settings.noise_seed),
        latent: latent_image,
        cache,
      },
      context,
    )
    return { LATENT: output, report }
  },
})
