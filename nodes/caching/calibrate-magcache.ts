/** CalibrateMagCache: how many times longer the residual is at each evaluation than at the one before, for MagCache. */
import { calibrationText, type MagCacheCalibration } from '../../diffusion/caching/calibration.ts'
import type { Branch } from '../../diffusion/caching/contract.ts'
import { sub, type Tensor } from '../../diffusion/tensor.ts'
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

/** Mean over tokens of |a| / |b|, Euclidean over the width; [1, tokens, width]. Tokens where b is zero are left out. */
export function meanNormRatio(a: Tensor, b: Tensor): number {
  const width = a.shape[2] ?? 1
  let [sum, tokens] = [0, 0]
  for (let at = 0; at < a.data.length; at += width) {
    let [above, below] = [0, 0]
    for (let i = at; i < at + width; i++) {
      above += a.data[i]! ** 2
      below += b.data[i]! ** 2
    }
    if (below === 0) continue
    sum += Math.sqrt(above / below)
    tokens++
  }
  return sum / tokens
}

/** Makes the runs and takes the ratios of each branch, the mean of all runs and samples. */
export async function calibrateMagCache(plan: CalibrationRuns): Promise<MagCacheCalibration> {
  const columns: Readonly<Record<Branch, Columns>> = { cond: new Columns(), uncond: new Columns() }
  const conditions = await observe<{ residual: Tensor | null }>(plan, {
    taps: [],
    begin: () => ({ residual: null }),
    see({ call, branch, input, output }, state) {
      const residual = sub(output.image, input.image)
      const ratio = state.residual ? meanNormRatio(residual, state.residual) : 1
      if (Number.isFinite(ratio) && ratio > 0) columns[branch].add(call.index, ratio)
      state.residual = residual
    },
  })
  const [cond, uncond] = [columns.cond.all, columns.uncond.all]
  if (cond.length !== conditions.sigmas.length)
    throw new Error(
      'CalibrateMagCache: the residual was zero or not finite at some step; this model cannot be calibrated',
    )
  return {
    ...{ method: 'MagCache', model: plan.model.name, source: sourceOf(conditions), conditions },
    ratios: { cond: cond.map(mean), ...(uncond.length > 0 ? { uncond: uncond.map(mean) } : {}) },
    spread: Math.max(...[...cond, ...uncond].map(deviation)),
  }
}

export default defineNode({
  type: 'CalibrateMagCache',
  category: 'caching',
  title: 'Calibrate MagCache',
  help: 'Runs the sampler without a cache and notes how fast the residual grows or shrinks from step to step. One run is usually enough. Wire the text into MagCache, or paste it there.',
  inputs: calibrationRunInputs,
  outputs: { calibration: 'STRING' },
  isOutput: true,
  async run(values, context) {
    const found = await calibrateMagCache(runsOf(values, context))
    const calibration = calibrationText(found)
    const { cond } = found.ratios
    const summary =
      `MagCache, ${found.source}: residual ${Math.min(...cond).toFixed(3)} to ${Math.max(...cond).toFixed(3)} times that of the step before; ` +
      (found.conditions?.runs === 1
        ? 'one run, so no spread known'
        : `spread between runs at most ${found.spread?.toFixed(4)}`)
    return { calibration, ui: { text: [summary, calibration] } }
  },
})
