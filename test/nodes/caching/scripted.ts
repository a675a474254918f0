/** A denoiser that plays back given token values, and DiCache's knobs at their defaults: for traces of published control flow. */
import type { Branch, Call, Denoiser, Evaluated, Hidden } from '../../../diffusion/caching/contract.ts'
import { configure } from '../../../diffusion/caching/contract.ts'
import { copy, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { dicache, type DiCacheParams } from '../../../nodes/caching/dicache.ts'

export const knobs: DiCacheParams = {
  preset: 'custom',
  enabled: true,
  threshold: 0.2,
  warm_up: 0.2,
  probe_depth: 1,
  history: 2,
  drift: 'probe',
  decide: 'per branch',
  force_last: true,
  max_gain: 1.5,
  start: 0,
  end: 1,
}

/** Tokens before the first block, after the probe and after the last block of one evaluation. */
export interface Scene {
  readonly x: readonly number[]
  readonly p: readonly number[]
  /** Absent where the method is expected not to ask. */
  readonly y?: readonly number[]
}

export interface Scripted extends Denoiser {
  /** Each run of blocks as 'from-to'. */
  readonly ran: string[]
}

const tokens = (values: readonly number[]): Tensor => tensor(Float32Array.from(values), [1, values.length, 1])

/** Five blocks; `scenes` by branch. The head gives its tokens back as the prediction. */
export function scripted(scenes: Readonly<Partial<Record<Branch, readonly Scene[]>>>, family = 'fake'): Scripted {
  const ran: string[] = []
  const hidden = (image: Tensor, scene: Scene): Hidden => ({ image, text: null, context: scene })
  const denoiser: Scripted = {
    facts: { family, depth: 5, cuts: new Set([0, 1, 2, 3, 4, 5]), modules: new Set(), taps: new Set() },
    ran,
    embed(call, branch) {
      const scene = scenes[branch]![call.index]!
      return Promise.resolve(hidden(tokens(scene.x), scene))
    },
    blocks(from, first, last) {
      ran.push(`${first}-${last}`)
      const scene = from.context as Scene
      const values = last === 5 ? scene.y : scene.p
      if (!values) throw new Error(`blocks ${first}-${last} ran where the trace skips`)
      return Promise.resolve(hidden(tokens(values), scene))
    },
    modules: () => Promise.reject(new Error('the script has no modules')),
    tap: () => Promise.reject(new Error('the script has no taps')),
    head: ({ image }) => Promise.resolve(copy(image)),
    predict: async (call, branch) => denoiser.head(await denoiser.blocks(await denoiser.embed(call, branch), 0, 5)),
  }
  return denoiser
}

export const callAt = (index: number, total: number, branches: readonly Branch[] = ['cond']): Call => ({
  index,
  total,
  sigma: Math.max(0, 1 - index / total),
  timestep: 1000 * Math.max(0, 1 - index / total),
  sigmas: Array.from({ length: total + 1 }, (_, i) => 1 - i / total),
  guidance: branches.length === 1 ? 1 : 3,
  progress: Math.min(1, index / total),
  latent: tokens([0]),
  sample: 0,
  branches,
})

/** Plays the conditional branch's scenes through DiCache and returns what it answered. */
export async function play(
  scenes: readonly Scene[],
  settings: Partial<DiCacheParams>,
  total = scenes.length,
  family = 'fake',
) {
  const denoiser = scripted({ cond: scenes }, family)
  const evaluate = configure(dicache, { ...knobs, ...settings }).bind(denoiser.facts)()
  const answers: Evaluated[] = []
  for (let index = 0; index < scenes.length; index++)
    answers.push((await evaluate(callAt(index, total), denoiser)).get('cond')!)
  return { answers, ran: denoiser.ran }
}
