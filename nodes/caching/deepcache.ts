/** DeepCache (arXiv 2312.00858): at most steps only the shallow ends of the model run; on a U-Net exactly as published, on a transformer in its nearest form. */
import { eachBranch, inFull, PerBranch } from '../../diffusion/caching/branches.ts'
import {
  configure,
  UnmetNeedsError,
  type Branch,
  type CacheMethod,
  type Call,
  type Denoiser,
  type Evaluated,
  type Facts,
} from '../../diffusion/caching/contract.ts'
import { DeepFeature, type StandIn } from '../../diffusion/caching/deep-feature.ts'
import { mayWriteOver, REUSE, ResidualEstimator } from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, type Values } from '../spec.ts'
import { switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'

const inputs = {
  preset: choice(['custom', 'paper', 'official'], {
    default: 'custom',
    help:
      "custom uses the knobs below. paper is the paper's setting for Stable Diffusion (one full step in 5, densest a fifth into the run), " +
      'official the released helper (one in 3, evenly). Both may reuse the last evaluation, and override every knob but enabled, front and back, and interval 1, which is off. On a U-Net they bring their branch: 1 and 0.',
  }),
  ...switchKnobs,
  interval: int({
    default: 3,
    min: 1,
    max: 100,
    help: 'One evaluation in this many is computed in full; 1 is off. Higher is faster and less faithful; the authors advise 2 to 5.',
  }),
  schedule: choice(['uniform', 'non-uniform'], {
    default: 'uniform',
    help: 'Where the full evaluations lie: evenly, or densest around the centre below. The authors saw a gain of the second from interval 5 on.',
  }),
  center: float({
    default: 0.3,
    min: 0,
    max: 0.9,
    step: 0.05,
    help: 'Non-uniform only: share of the evaluations at which full ones are densest. Costs nothing; 0.2 to 0.5 were published.',
  }),
  power: float({
    default: 1.4,
    min: 1.05,
    max: 3,
    step: 0.1,
    help: 'Non-uniform only: how much denser they are there. Costs nothing; 1.2 to 1.5 were published.',
  }),
  front: int({
    default: 1,
    min: 1,
    max: 64,
    help: 'Transformers only: blocks at the start that run at every evaluation. Each one more is slower and more faithful.',
  }),
  back: int({
    default: 1,
    min: 0,
    max: 64,
    help: 'Transformers only: blocks at the end that run at every evaluation. Each one more is slower and more faithful.',
  }),
  warm_up: float({
    default: 0,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the evaluations at the start that is always computed in full, whatever the schedule says: slower, and safer with few steps.',
  }),
  ...windowKnobs,
  branch: int({
    default: 0,
    min: 0,
    max: 64,
    help: 'U-Nets only: the skip connection whose layers, and those outside it, run at every evaluation, from 0, the outermost. Each one more is slower and more faithful; 0 to 2 were published.',
  }),
}

export type DeepCacheParams = Values<typeof inputs>

interface Rules extends Forcing {
  /** The skip connection of a U-Net. */
  readonly branch: number
  readonly interval: number
  readonly schedule: DeepCacheParams['schedule']
  readonly center: number
  readonly power: number
}

const released = { warmUp: 0, warmUpRule: 'before', forceLast: false, start: 0, end: 1 } as const

const PRESETS: Readonly<Record<DeepCacheParams['preset'], (params: DeepCacheParams) => Rules>> = {
  custom: (params) => ({ ...params, warmUp: params.warm_up, warmUpRule: 'before', forceLast: params.force_last }),
  // Tuned per interval by the authors for 50 steps of Stable Diffusion 1.5: centre 10, power 1.5 at interval 5.
  paper: () => ({ ...released, branch: 1, interval: 5, schedule: 'non-uniform', center: 0.2, power: 1.5 }),
  official: () => ({ ...released, branch: 0, interval: 3, schedule: 'uniform', center: 0, power: 1 }),
}

/** z^p of a real number on the principal branch, as [real, imaginary]. */
const realPower = (z: number, p: number): readonly [number, number] => {
  if (z === 0) return [0, 0]
  const [size, angle] = [Math.abs(z) ** p, z < 0 ? Math.PI * p : 0]
  return [size * Math.cos(angle), size * Math.sin(angle)]
}

/** Real part of (x + iy)^p on the principal branch. */
const powerReal = (x: number, y: number, p: number): number =>
  x === 0 && y === 0 ? 0 : Math.hypot(x, y) ** p * Math.cos(p * Math.atan2(y, x))

/** One try at a power: points on a line between the roots of the ends, raised again, whole, each once, without the ends. */
function pointsAt(total: number, count: number, center: number, power: number): number[] {
  const [[ax, ay], [bx, by]] = [realPower(-center, 1 / power), realPower(total - center, 1 / power)]
  const points = Array.from({ length: count + 1 }, (_, i) => {
    const t = i / count
    return Math.trunc(powerReal(ax + t * (bx - ax), ay + t * (by - ay), power))
  })
  const once = [...new Set(points)].sort((a, b) => a - b)
  return [0, ...once.slice(1, -1).map((point) => point + center)]
}

/**
 * The authors' non-uniform schedule: ceil(total / interval) of `total` evaluations, densest around the evaluation `center`, the
 * more the higher `power` is. As in their code the negative side runs through the complex plane, and the power is lowered by
 * 0.02 until the points are as many as asked for; where that fails, as it does for a few short runs, the schedule is uniform.
 */
export function nonUniformSteps(total: number, interval: number, center: number, power: number): readonly number[] {
  const count = Math.ceil(total / interval)
  for (let p = power; p > 1; p -= 0.02) {
    const steps = pointsAt(total, count, center, p)
    if (steps.length === count) return steps
  }
  return Array.from({ length: count }, (_, i) => i * interval)
}

const isScheduled = ({ index, total }: Call, { interval, schedule, center, power }: Rules): boolean =>
  schedule === 'uniform' || interval === 1
    ? index % interval === 0
    : nonUniformSteps(total, interval, Math.round(center * total), power).includes(index)

const isOff = ({ enabled, interval }: DeepCacheParams): boolean => !enabled || interval === 1

/** How many blocks run at every evaluation, at each end of the model. */
interface Ends {
  readonly front: number
  readonly back: number
}

/** On a U-Net the ends are what lies outside a skip connection, and the layer that takes it back. */
const endsOf = ({ front, back }: DeepCacheParams, { branch }: Rules, { skips = 0 }: Facts): Ends =>
  skips > 0 ? { front: branch, back: branch + 1 } : { front, back }

interface State {
  readonly rules: Rules
  readonly ends: Ends
  readonly middles: PerBranch<StandIn>
}

/** Why the middle has to run; 'scheduled' where the schedule says so. */
function mustCompute(call: Call, branch: Branch, rules: Rules, middle: StandIn): string | null {
  const forced = forcedBecause(call, branch, rules)
  if (forced !== null) return forced
  if (isScheduled(call, rules)) return 'scheduled'
  return middle.ready ? null : 'no-anchor'
}

async function evaluate(
  call: Call,
  branch: Branch,
  denoiser: Denoiser,
  { rules, ends: { front, back }, middles }: State,
): Promise<Evaluated> {
  const { depth } = denoiser.facts
  const middle = middles.of(branch)
  const why = mustCompute(call, branch, rules, middle)
  const before = await denoiser.blocks(await denoiser.embed(call, branch), 0, front)
  const after =
    why === null
      ? middle.estimate(call, before, mayWriteOver(denoiser))
      : await denoiser.blocks(before, front, depth - back)
  if (why !== null) middle.learn(call, before, after)
  const prediction = await denoiser.head(await denoiser.blocks(after, depth - back, depth))
  if (why === null) return { prediction, trace: { decision: 'partial' } }
  return { prediction, trace: why === 'scheduled' ? { decision: 'full' } : { decision: 'full', forced: why } }
}

export const deepcache: CacheMethod<DeepCacheParams, State> = {
  id: 'DeepCache',
  needs(params, facts) {
    if (isOff(params)) return {}
    const { family, depth, skips = 0 } = facts
    const { front, back } = endsOf(params, PRESETS[params.preset](params), facts)
    if (front + back >= depth)
      throw new UnmetNeedsError(
        skips > 0
          ? `DeepCache: branch ${front} leaves nothing to skip; the ${family} model has ${skips} skip connections. Lower branch.`
          : `DeepCache: ${front} front and ${back} back blocks leave nothing to skip; the ${family} model has ${depth}. Lower front or back.`,
      )
    const cuts = [0, front, depth - back, depth]
    return skips > 0 ? { cuts, skips: [front] } : { cuts }
  },
  start(params, facts) {
    const rules = PRESETS[params.preset](params)
    const ends = endsOf(params, rules, facts)
    const make = (): StandIn =>
      (facts.skips ?? 0) > 0
        ? new DeepFeature()
        : new ResidualEstimator(REUSE, ends.back > 0 ? 'image and text' : 'image')
    return { rules, ends, middles: new PerBranch(make) }
  },
  evaluate: (call, denoiser, state, params) =>
    eachBranch(call, async (branch) =>
      isOff(params) ? inFull(denoiser, call, branch) : evaluate(call, branch, denoiser, state),
    ),
}

export default defineNode({
  type: 'DeepCache',
  category: 'caching',
  title: 'DeepCache (U-Net; DiT form)',
  help:
    'Computes the model in full at one step in a few; between them only its first and last blocks run. On a U-Net (Stable Diffusion 1, 2, XL) ' +
    'it is the published method, on its skip connections; a transformer has none, so there this is its nearest form. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: ({ start, end }) => windowFaults(start, end),
  run: (values) => ({ CACHE: configure(deepcache, values) }),
})
