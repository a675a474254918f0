/** LazyCache (ComfyUI): EasyCache's rule after guidance, on the one guided result, so that it suits any model. */
import { eachBranch } from '../../diffusion/caching/branches.ts'
import { ChangeRate } from '../../diffusion/caching/change-rate.ts'
import {
  configure,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type Trace,
} from '../../diffusion/caching/contract.ts'
import { axpy, lerp, scale, sub, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import type { Values } from '../spec.ts'
import { comfyInputs, isInside, optionalSwitch, percentFaults, windowOf, type SigmaWindow } from './knobs/comfyui.ts'

const inputs = { ...comfyInputs, enabled: optionalSwitch }

type Knobs = Omit<Values<typeof inputs>, 'model' | 'verbose'>
export type LazyCacheParams = Knobs & SigmaWindow

/** ComfyUI looks at every 8th row and column. */
const RULES = { since: 'computed', stride: 8 } as const

const isOff = ({ enabled, reuse_threshold: threshold }: LazyCacheParams): boolean => !enabled || threshold === 0

/** State of one sample: there is one decision for all branches. */
interface State {
  readonly gate: ChangeRate
  /** Clean latent predicted at the last computed evaluation, less its noisy latent. */
  difference: Tensor | null
}

function judge(call: Call, { gate, difference }: State, params: LazyCacheParams): { skip: boolean; trace: Trace } {
  const forced = call.index === 0 ? 'first' : isInside(call.sigma, params) ? null : 'window'
  const change = forced === null && difference ? gate.predict(call.latent) : null
  if (change === null) return { skip: false, trace: { decision: 'full', forced: forced ?? 'no-anchor' } }
  const accumulated = gate.add(change)
  const skip = accumulated < params.reuse_threshold
  if (!skip) gate.clear()
  return { skip, trace: { decision: skip ? 'skipped' : 'full', drift: change, accumulated } }
}

/** What the guided prediction v makes of the latent: the clean latent x - sigma v. */
function cleanLatent({ latent, sigma, guidance }: Call, answers: ReadonlyMap<Branch, Evaluated>): Tensor {
  const [cond, uncond] = [answers.get('cond')!.prediction, answers.get('uncond')?.prediction]
  return axpy(latent, -sigma, uncond ? lerp(uncond, cond, guidance) : cond)
}

/** Past the window ComfyUI neither reuses nor learns; before it, it learns all but the rate. */
function learn(call: Call, clean: Tensor, state: State, params: LazyCacheParams): void {
  if (call.sigma <= params.end_sigma) return
  state.difference = sub(clean, call.latent)
  state.gate.learn(call.latent, clean, isInside(call.sigma, params))
}

async function evaluate(call: Call, denoiser: Denoiser, state: State, params: LazyCacheParams) {
  const { skip, trace } = judge(call, state, params)
  if (skip && state.difference) {
    // The clean latent x + difference, said as a prediction; alike for all branches, it is what guidance makes of them.
    const prediction = scale(state.difference, -1 / call.sigma)
    return new Map(call.branches.map((branch) => [branch, { prediction, trace }]))
  }
  const answers = await eachBranch(call, async (branch) => ({
    prediction: await denoiser.predict(call, branch),
    trace,
  }))
  learn(call, cleanLatent(call, answers), state, params)
  return answers
}

export const lazyCache: CacheMethod<LazyCacheParams, State> = {
  id: 'LazyCache',
  needs: () => ({}),
  start: () => ({ gate: new ChangeRate(RULES), difference: null }),
  evaluate: (call, denoiser, state, params) =>
    isOff(params)
      ? eachBranch(call, async (branch) => ({
          prediction: await denoiser.predict(call, branch),
          trace: { decision: 'full' },
        }))
      : evaluate(call, denoiser, state, params),
}

export default defineNode({
  type: 'LazyCache',
  category: 'caching',
  help: "Puts LazyCache on a model, as ComfyUI's node does: EasyCache's rule after guidance. Cruder than EasyCache; it reuses the step to the clean latent as it was.",
  inputs,
  outputs: { MODEL: 'MODEL' },
  validate: ({ start_percent: start, end_percent: end }) => percentFaults(start, end),
  run({ model, enabled, reuse_threshold, start_percent, end_percent }) {
    if (model.parametrisation.kind !== 'flow')
      throw new Error(
        `LazyCache: '${model.name}' predicts ${model.parametrisation.kind}, and this method is written for flow models; use EasyCache`,
      )
    const window = windowOf(start_percent, end_percent, model.parametrisation)
    const params = { enabled, reuse_threshold, start_percent, end_percent, ...window }
    return { MODEL: { ...model, cache: configure(lazyCache, params) } }
  },
})
