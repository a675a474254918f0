/** Whether ForecastCache beats its rivals at equal compute, caption by caption: at a third and at half of the uncached run. */
import { frontier, type Contender } from './duel.ts'
import type { Setting } from './setting.ts'
import { bootstrap, mean, quantile, type Interval } from './statistics.ts'

/** Shares of the uncached run's compute at which groups meet. */
const SHARES = [1 / 3, 1 / 2]
/** How far the cheapest or dearest setting of a group may lie from a share that the group does not reach. */
const NEAR = 0.06

/** A setting's measurements by caption, in the same order for all. */
export interface Measured extends Contender {
  /** Relative L2 to the converged solution; null where that was not asked for. */
  readonly truth: readonly (number | null)[]
}

/** Settings of one kind that differ in how much they compute. */
interface Group {
  readonly name: string
  has(setting: Setting): boolean
}

/** ForecastCache as it comes, but for when it computes. */
const plain = ({ method, params }: Setting, when: string): boolean =>
  method === 'ForecastCache' &&
  params['when'] === when &&
  params['forecast'] === 1 &&
  params['forecast_reach'] === 0.5 &&
  params['corrector'] === 'auto' &&
  params['uncond_every'] === 1

const MASK: Group = {
  name: 'ForecastCache, calibrated mask',
  has: (setting) => plain(setting, 'mask') && setting.params['mask'] === 'calibrated',
}
const CONTROLLER: Group = { name: 'ForecastCache, controller', has: (setting) => plain(setting, 'controller') }
const DICACHE: Group = {
  name: 'DiCache, published warm-up',
  has: ({ method, params }) => method === 'DiCache' && params['warm_up'] === 0.2,
}
const fewer = (name: string, method: string): Group => ({ name, has: (setting) => setting.method === method })
const AB2 = fewer('AB2, uniform steps', 'FewerSteps ab2')
const AB2_OPTIMISED = fewer("AB2, the mask's steps", 'FewerSteps ab2 optimised')

const setting = (name: string): Group => ({
  name: `ForecastCache ${name}`,
  has: (one) => one.name === `ForecastCache ${name}`,
})

/** What each part of the rule is worth: settings that differ in it alone. */
const PARTS: readonly (readonly [Group, Group])[] = [
  ['mask, a third: capped line, not corrected', 'every 3rd: capped line, not corrected'],
  ['mask, a third: uncapped line', 'mask, a third: held'],
  ['mask, a third: capped line, not corrected', 'mask, a third: uncapped line'],
  ['mask, a third: capped line, corrected', 'mask, a third: capped line, not corrected'],
  ['mask, a half', 'mask, a half: capped line, not corrected'],
].map(([own = '', other = '']) => [setting(own), setting(other)] as const)

const PAIRS: readonly (readonly [Group, Group])[] = [
  ...[DICACHE, AB2, AB2_OPTIMISED].map((rival) => [MASK, rival] as const),
  ...[DICACHE, AB2, MASK].map((rival) => [CONTROLLER, rival] as const),
  ...PARTS,
]

export interface Contest {
  readonly challenger: string
  readonly rival: string
  /** At which they were to meet, and what each of them computes. */
  readonly share: number
  readonly shares: readonly [challenger: number, rival: number]
  readonly captions: number
  readonly psnr: readonly [challenger: number, rival: number]
  /** 5th percentiles over captions. */
  readonly fifth: readonly [challenger: number, rival: number]
  /** Means of the relative L2 to the converged solution; null without one. */
  readonly truth: readonly [challenger: number, rival: number] | null
  /** PSNR of the challenger less that of the rival, by caption: mean and 95 % interval. */
  readonly difference: Interval
  readonly won: number
}

/** What a group does at a share. */
interface Standing {
  readonly share: number
  readonly psnr: readonly number[]
  readonly truth: readonly (number | null)[]
}

const blend = (a: number | null, b: number | null, weight: number): number | null =>
  a === null || b === null ? null : (1 - weight) * a + weight * b

/**
 * A group at `share`, caption by caption on the straight line between the two settings around it, of those that no other one of the group beats at
 * no more compute. Beyond the cheapest and the dearest these stand for it if they are near; null if they are not.
 */
export function standing(group: readonly Measured[], share: number): Standing | null {
  const captions = group[0]?.psnr.map((_, i) => i) ?? []
  const best = new Set(frontier(group, captions).map(({ config }) => config))
  const curve = group.filter(({ config }) => best.has(config)).sort((a, b) => a.share - b.share)
  const above = curve.findIndex((one) => one.share >= share)
  const [low, high] = [curve[above < 0 ? curve.length - 1 : above - 1], curve[above]]
  const alone = low && high ? null : (low ?? high)
  if (alone) return Math.abs(alone.share - share) <= NEAR ? alone : null
  if (!low || !high) return null
  const weight = (share - low.share) / (high.share - low.share)
  return {
    share,
    psnr: captions.map((i) => (1 - weight) * low.psnr[i]! + weight * high.psnr[i]!),
    truth: captions.map((i) => blend(low.truth[i]!, high.truth[i]!, weight)),
  }
}

function truthOf(own: Standing, other: Standing): Contest['truth'] {
  const [a, b] = [own, other].map(({ truth }) => truth.flatMap((one) => one ?? []))
  return a!.length > 0 && b!.length > 0 ? [mean(a!), mean(b!)] : null
}

function meet(names: readonly [string, string], share: number, own: Standing, other: Standing): Contest {
  const differences = own.psnr.map((value, i) => value - other.psnr[i]!)
  return {
    challenger: names[0],
    rival: names[1],
    share,
    shares: [own.share, other.share],
    captions: differences.length,
    psnr: [mean(own.psnr), mean(other.psnr)],
    fifth: [quantile(own.psnr, 0.05), quantile(other.psnr, 0.05)],
    truth: truthOf(own, other),
    difference: bootstrap(differences),
    won: differences.filter((one) => one > 0).length,
  }
}

/** Every pair at every share at which both groups have something to show. */
export function contests(
  all: readonly { readonly setting: Setting; readonly measured: Measured }[],
): readonly Contest[] {
  const of = (group: Group) => all.filter(({ setting }) => group.has(setting)).map(({ measured }) => measured)
  return PAIRS.flatMap(([challenger, rival]) =>
    SHARES.flatMap((share) => {
      const [own, other] = [standing(of(challenger), share), standing(of(rival), share)]
      return own && other ? [meet([challenger.name, rival.name], share, own, other)] : []
    }),
  )
}
