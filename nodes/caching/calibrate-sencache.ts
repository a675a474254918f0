/** CalibrateSenCache: how much the output moves with the latent and with the timestep, along the sampler's way, for SenCache. */
import { calibrationText, type SenCacheCalibration } from '../../diffusion/caching/calibration.ts'
import type { Call } from '../../diffusion/caching/contract.ts'
import type { Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import {
  calibrationRunInputs,
  Columns,
  deviation,
  mean,
  observe,
  runsOf,
  sourceOf,
  type CalibrationRuns,
} from './calibration/runs.ts'

/** The evaluation before: its call, with a latent of its own, and its prediction. */
interface Before {
  call: Call | null
  prediction: Tensor | null
}

const copy = ({ data, shape }: Tensor): Tensor => ({ data: data.slice(), shape })

/** Euclidean length of a - b. */
function distance({ data: a }: Tensor, { data: b }: Tensor): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2
  return Math.sqrt(sum)
}

/** A shorter way than this says nothing. */
const STANDING = 1e-8
/** |output moved| / way; 0 where the way is none. */
const slope = (moved: number, way: number): number => (way < STANDING ? 0 : moved / way)

/**
 * Makes the runs. For each two neighbouring evaluations, at (z, t) and (z', t'), the conditional branch is run at (z', t) and
 * (z, t') as well: J_z = |f(z', t) - f(z, t)| / |z' - z|, J_t = |f(z, t') - f(z, t)| / |t' - t|. The authors take z from clean
 * pictures with noise added, here it is where the sampler came by; so each step costs three evaluations, and no data is needed.
 */
export async function calibrateSenCache(plan: CalibrationRuns): Promise<SenCacheCalibration> {
  const [latents, times] = [new Columns(), new Columns()]
  const conditions = await observe<Before>(plan, {
    taps: [],
    begin: () => ({ call: null, prediction: null }),
    async see({ call, branch, prediction, denoiser }, before) {
      if (branch !== 'cond') return
      const { call: from, prediction: known } = before
      // Second-order samplers evaluate some noise levels twice: between those no time passes.
      if (from && known && from.timestep !== call.timestep) {
        const { latent, ...time } = call
        const [movedLatent, movedTime] = await Promise.all([
          denoiser.predict({ ...from, latent }, branch),
          denoiser.predict({ ...time, latent: from.latent }, branch),
        ])
        latents.add(from.index, slope(distance(movedLatent, known), distance(latent, from.latent)))
        times.add(from.index, slope(distance(movedTime, known), Math.abs(call.timestep - from.timestep)))
      }
      Object.assign(before, { call: { ...call, latent: copy(call.latent) }, prediction: copy(prediction) })
    },
  })
  const { sigmas } = conditions
  const points = [...latents.all, ...times.all]
  if (points.length === 0)
    throw new Error('CalibrateSenCache: expected at least two evaluations to compare, received one')
  const met = sigmas.filter((sigma, i) => i + 1 < sigmas.length && sigma !== sigmas[i + 1])
  // Samplers that look ahead come to a level more than once.
  const levels = [...new Set(met)]
  const atLevels = (values: readonly (readonly number[])[]) =>
    levels.map((level) => mean(values.filter((_, i) => met[i] === level).flat()))
  return {
    ...{ method: 'SenCache', model: plan.model.name, source: sourceOf(conditions), conditions },
    sigmas: levels,
    latent: atLevels(latents.all),
    time: atLevels(times.all),
    spread: Math.max(...points.map((point) => (mean(point) > 0 ? deviation(point) / mean(point) : 0))),
  }
}

export default defineNode({
  type: 'CalibrateSenCache',
  category: 'caching',
  title: 'Calibrate SenCache',
  help: 'Runs the sampler without a cache and measures at each step how sensitive the model is to its latent and to its timestep, with two more evaluations a step. About eight runs suffice. Wire the text into SenCache, or paste it there.',
  inputs: calibrationRunInputs,
  outputs: { calibration: 'STRING' },
  isOutput: true,
  async run(values, context) {
    const found = await calibrateSenCache(runsOf(values, context))
    const calibration = calibrationText(found)
    const between = (curve: readonly number[]) =>
      `${Math.min(...curve).toPrecision(3)} to ${Math.max(...curve).toPrecision(3)}`
    const summary =
      `SenCache, ${found.source}: output moves ${between(found.latent)} per movement of the latent, ${between(found.time)} per timestep; ` +
      (found.conditions?.runs === 1
        ? 'one run, so no spread known'
        : `spread between runs at most ${(100 * (found.spread ?? 0)).toFixed(0)} %`)
    return { calibration, ui: { text: [summary, calibration] } }
  },
})
