/** A one-block model whose predictions and attention outputs are played back, and FasterCache's knobs at their defaults. */
import { configure, type Branch, type Denoiser, type ModuleOutput } from '../../../diffusion/caching/contract.ts'
import { copy, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { fasterCache, type FasterCacheParams } from '../../../nodes/caching/fastercache.ts'
import { callAt } from './scripted.ts'

export const knobs: FasterCacheParams = {
  preset: 'custom',
  enabled: true,
  attention_interval: 2,
  attention_start: 0.3,
  weight_first: 0,
  weight_last: 1,
  uncond_interval: 5,
  uncond_start: 0.35,
  low_boost: 1.1,
  high_boost: 1.1,
  force_last: true,
  start: 0,
  end: 1,
}
export const fasterCacheWith = (settings: Partial<FasterCacheParams>) =>
  configure(fasterCache, { ...knobs, ...settings })

/** A model whose predictions are played back by branch and evaluation; attention outputs are one number a block. */
export function played(
  predictions: Readonly<Record<Branch, readonly (readonly number[])[]>>,
  attention: readonly number[] = [],
) {
  const given: (number | null)[] = []
  const map = (values: readonly number[]): Tensor => tensor(Float32Array.from(values), [1, 1, 2, 2])
  const one = (value: number): ModuleOutput => ({ image: tensor(Float32Array.of(value), [1, 1, 1]), text: null })
  const denoiser: Denoiser = {
    facts: { family: 'fake', depth: 1, cuts: new Set([0, 1]), modules: new Set(['attn', 'mlp']), taps: new Set() },
    predict: (call, branch) => Promise.resolve(map(predictions[branch][call.index]!)),
    embed: (call, branch) =>
      Promise.resolve({ image: map(predictions[branch][call.index] ?? [0, 0, 0, 0]), text: null, context: call.index }),
    blocks: (hidden) => Promise.resolve(hidden),
    modules(hidden, _, __, plan) {
      const fed = plan.given?.get('attn.0')
      given.push(fed ? fed.output.image.data[0]! : null)
      const outputs = plan.emit?.has('attn.0') ? [['attn.0', one(attention[hidden.context as number]!)] as const] : []
      return Promise.resolve({ hidden, outputs: new Map(outputs) })
    },
    tap: () => Promise.reject(new Error('no taps')),
    head: ({ image }) => Promise.resolve(copy(image)),
  }
  return { denoiser, given }
}

export async function play(
  settings: Partial<FasterCacheParams>,
  steps: number,
  { denoiser }: ReturnType<typeof played>,
  branches: readonly Branch[],
) {
  const evaluate = fasterCacheWith(settings).bind(denoiser.facts)()
  const answers = []
  for (let index = 0; index < steps; index++) answers.push(await evaluate(callAt(index, steps, branches), denoiser))
  return answers
}
