/** Plays given tokens, signals and latents through a caching method, evaluation by evaluation: for traces of published control flow. */
import type {
  Branch,
  CacheConfiguration,
  Call,
  Evaluated,
  Hidden,
  RunFacts,
} from '../../../diffusion/caching/contract.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { callAt, scripted, type Scene } from './scripted.ts'
import type { Numbers } from './straight.ts'

/** What one evaluation brings; what is left out is 1 for the tokens before the blocks and 2 after them. */
export interface Frame {
  /** Image tokens before the first block. */
  readonly x?: Numbers
  /** After the last; null where the method is expected not to ask. */
  readonly y?: Numbers | null
  /** The tensor that the model's taps give. */
  readonly signal?: Numbers
  readonly latent?: Numbers
  readonly timestep?: number
  readonly sigma?: number
}

export interface PlaybackOptions {
  readonly branches?: readonly Branch[]
  /** Evaluations of the run, if there are more than frames. */
  readonly total?: number
  readonly run?: RunFacts
  /** Evaluations at which a branch is left out. */
  readonly absent?: readonly (readonly [index: number, branch: Branch])[]
}

const row = (values: Numbers): Tensor => tensor(Float32Array.from(values), [1, values.length, 1])

/** A model that plays back the frames; it lends one buffer for all signals, as a runtime may. */
function player(frames: readonly Frame[]) {
  const scenes = frames.map(({ x = [1], y = [2] }, i) => ({ x, p: [i], ...(y === null ? {} : { y }) }))
  const model = scripted({ cond: scenes, uncond: scenes })
  const lent = row(frames[0]?.signal ?? [0])
  return {
    ...model,
    facts: { ...model.facts, taps: new Set(['modulated', 'temb']) },
    // A prediction of its own: estimated tokens hold only until the next estimate.
    head: ({ image }: Hidden) => Promise.resolve({ ...image, data: image.data.slice() }),
    tap: ({ context }: Hidden) => {
      const [index = 0] = (context as Scene).p
      lent.data.set(frames[index]?.signal ?? [0])
      return Promise.resolve(lent)
    },
  }
}

/** What the method answered, by branch. */
export async function playback(
  cache: CacheConfiguration,
  frames: readonly Frame[],
  { branches = ['cond'], total = frames.length, run, absent = [] }: PlaybackOptions = {},
): Promise<Readonly<Record<Branch, Evaluated[]>>> {
  const model = player(frames)
  const evaluate = cache.bind(model.facts, run)()
  const answers: Record<Branch, Evaluated[]> = { cond: [], uncond: [] }
  // One buffer for all latents, as a sampler may write to its own.
  const lent = row(frames[0]?.latent ?? [0])
  for (const [index, { latent = [0], timestep, sigma }] of frames.entries()) {
    const present = branches.filter((branch) => !absent.some(([at, one]) => at === index && one === branch))
    const plain = callAt(index, total, present)
    lent.data.set(latent)
    const call: Call = {
      ...plain,
      latent: lent,
      timestep: timestep ?? plain.timestep,
      sigma: sigma ?? (timestep === undefined ? plain.sigma : timestep / 1000),
    }
    for (const [branch, answer] of await evaluate(call, model)) answers[branch].push(answer)
  }
  return answers
}

/** Indices of the evaluations that were skipped. */
export const skipped = (answers: readonly Evaluated[]): number[] =>
  answers.flatMap(({ trace }, i) => (trace.decision === 'skipped' ? [i] : []))

export const values = (answers: readonly Evaluated[]): number[] => answers.map(({ prediction }) => prediction.data[0]!)
