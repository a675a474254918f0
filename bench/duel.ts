/** Whether a method's decisions beat the best fixed mask of the same compute, caption by caption. */
import { bootstrap, mean, type Interval } from './statistics.ts'

/** One setting's results: share of the uncached compute (its mean over captions) and decibels of each caption. */
export interface Contender {
  readonly config: string
  readonly share: number
  /** PSNR per caption, in the same order for all contenders. */
  readonly psnr: readonly number[]
}

export interface Duel {
  readonly config: string
  readonly share: number
  readonly captions: number
  /** Mean PSNR of the method, and of the mask of the same compute. */
  readonly psnr: number
  readonly maskPsnr: number
  /** Their difference per caption: mean and 95 % interval. */
  readonly difference: Interval
  /** Captions on which the method was better. */
  readonly won: number
  readonly verdict: 'better' | 'worse' | 'level'
}

/** Masks that no other one beats at less compute, by rising share; judged on the captions `on`. */
export function frontier(masks: readonly Contender[], on: readonly number[]): readonly Contender[] {
  const scored = masks.map((mask) => ({ mask, score: mean(on.map((i) => mask.psnr[i]!)) }))
  return scored
    .filter(
      (one) =>
        !scored.some(
          (other) =>
            other !== one &&
            other.mask.share <= one.mask.share &&
            other.score >= one.score &&
            (other.mask.share < one.mask.share || other.score > one.score),
        ),
    )
    .map(({ mask }) => mask)
    .sort((a, b) => a.share - b.share)
}

/** A caption's decibels at `share` on the line through the two masks around it; null beyond the cheapest and the dearest. */
function maskAt(front: readonly Contender[], share: number, caption: number): number | null {
  const above = front.findIndex((mask) => mask.share >= share)
  const high = front[above]
  if (!high) return null
  const low = front[above - 1]
  if (high.share === share) return high.psnr[caption]!
  if (!low) return null
  const weight = (share - low.share) / (high.share - low.share)
  return (1 - weight) * low.psnr[caption]! + weight * high.psnr[caption]!
}

/**
 * The method against the masks at the method's own mean share, so that a method which spends more on hard captions gets the
 * credit for it. The best masks are chosen on one half of the captions and met on the other, and the other way round: chosen
 * and met on the same captions they would be flattered. Null where no mask needs as little, or as much, compute.
 */
export function duel(method: Contender, masks: readonly Contender[]): Duel | null {
  const captions = method.psnr.map((_, i) => i)
  const halves = [captions.filter((i) => i % 2 === 0), captions.filter((i) => i % 2 === 1)]
  const rivals = captions.map((caption) => {
    const others = halves[(caption + 1) % 2]!
    return maskAt(frontier(masks, others.length > 0 ? others : captions), method.share, caption)
  })
  if (rivals.length === 0 || rivals.some((rival) => rival === null)) return null
  const maskPsnr = rivals.map((rival) => rival ?? NaN)
  const differences = method.psnr.map((own, i) => own - maskPsnr[i]!)
  const difference = bootstrap(differences)
  return {
    config: method.config,
    share: method.share,
    captions: captions.length,
    psnr: mean(method.psnr),
    maskPsnr: mean(maskPsnr),
    difference,
    won: differences.filter((one) => one > 0).length,
    verdict: difference.low > 0 ? 'better' : difference.high < 0 ? 'worse' : 'level',
  }
}
