/** The prompts of one sampling run as streams: which of them a caching method sees together, what each counts for, and when. */
import type { Branch } from '../caching/contract.ts'
import type { Conditioning, Parametrisation } from '../families/contract.ts'
import { noiseLevels } from '../noise-levels.ts'
import type { SamplingRun } from '../sampling-types.ts'

/** What a prompt is for: the prediction leads from the negative over the second to the positive prompts. */
export type Side = 'positive' | 'second' | 'negative'

/** Noise levels at which a prompt applies, both included. */
export interface Reach {
  readonly from: number
  readonly to: number
}

/**
 * Prompts that are evaluated together, as the branches of one guided model. A further prompt on the same side is a stream of its
 * own: to a caching method a model without guidance, with its own state.
 */
export interface Stream {
  readonly prompts: ReadonlyMap<Branch, { readonly side: Side; readonly conditioning: Conditioning }>
  /** Of guidance between its own branches; 1 where it has one. */
  readonly scale: number
  readonly reach: Reach
}

type Prompts = Pick<SamplingRun, 'positive' | 'negative' | 'second' | 'guidance'>

const EVERYWHERE: Reach = { from: Infinity, to: 0 }

/** The noise levels of a share of sampling, as ComfyUI's percent_to_sigma has them. */
function reachOf({ range }: Conditioning, parametrisation: Parametrisation): Reach {
  if (!range) return EVERYWHERE
  const { at } = noiseLevels(parametrisation)
  const sigma = (share: number, whole: number): number =>
    share <= 0 ? Infinity : share >= 1 ? 0 : at(1 - share * whole)
  // The table of a discrete model has its first entry at one step of its time, not at 0.
  const whole = parametrisation.kind === 'flow' ? 1 : 1 - 1 / parametrisation.trainSteps
  return { from: sigma(range.start, whole), to: sigma(range.end, whole) }
}

export const isReached = ({ from, to }: Reach, sigma: number): boolean => sigma <= from && sigma >= to

/** The sides whose predictions count at these guidance scales. */
export function sidesOf({ guidance, second }: Pick<Prompts, 'guidance' | 'second'>): readonly Side[] {
  if (!second) return guidance === 1 ? ['positive'] : ['positive', 'negative']
  const needsNegative = second.guidance !== 1
  const needsSecond = guidance !== 1 || (needsNegative && !second.nested)
  return ['positive', ...(needsSecond ? (['second'] as const) : []), ...(needsNegative ? (['negative'] as const) : [])]
}

/** The prompts given for a side. */
export const promptsOf = (run: Prompts, side: Side): readonly Conditioning[] =>
  side === 'second' ? (run.second?.prompts ?? []) : run[side]

/** The first positive and the first negative prompt are one stream where both apply throughout. */
export function streamsOf(run: Prompts, parametrisation: Parametrisation): readonly Stream[] {
  const all = sidesOf(run).flatMap((side) =>
    promptsOf(run, side).map((conditioning) => ({ side, conditioning, reach: reachOf(conditioning, parametrisation) })),
  )
  const lead = all.find(({ side }) => side === 'positive')
  const against = all.find(({ side }) => side === 'negative')
  const paired = lead?.reach === EVERYWHERE && against?.reach === EVERYWHERE
  return all
    .filter((one) => !(paired && one === against))
    .map((one): Stream => {
      const { side, conditioning, reach } = one
      if (!paired || one !== lead) return { prompts: new Map([['cond', { side, conditioning }]]), scale: 1, reach }
      return {
        prompts: new Map([
          ['cond', one],
          ['uncond', against],
        ]),
        scale: run.guidance,
        reach,
      }
    })
}

/** As reports name a prompt: by what it is for, whatever its stream calls it. */
export const labelOf = (side: Side): Branch => (side === 'negative' ? 'uncond' : 'cond')
