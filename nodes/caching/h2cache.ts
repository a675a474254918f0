/** H2-Cache (arXiv 2510.27171): two first-block caches in a chain, one for structure and one for detail, compared by thumbnails. */
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
  type Hidden,
} from '../../diffusion/caching/contract.ts'
import { mayWriteOver, REUSE, ResidualEstimator } from '../../diffusion/caching/estimators.ts'
import { forcedBecause, type Forcing } from '../../diffusion/caching/forcing.ts'
import { residualDistance, type Sized } from '../../diffusion/caching/passes.ts'
import { pooled, sideOf } from '../../diffusion/caching/thumbnails.ts'
import { meanAbs, meanAbsDifference, memory, sub, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { choice, float, int, toggle, type Values } from '../spec.ts'
import { switchKnobs, windowFaults, windowKnobs } from './knobs/residual.ts'

const inputs = {
  preset: choice(['custom', 'paper', 'official', 'double-first-block'], {
    default: 'custom',
    help:
      "custom uses the knobs below. paper is the setting of the authors' benchmark (0.15 and 0.22), official the default of their released " +
      "code (0.12 and 0.10), double-first-block the same author's earlier form: independent stages, no pooling. All were set on FLUX.1-dev, " +
      'force nothing, and override every knob but enabled and split.',
  }),
  ...switchKnobs,
  threshold_1: float({
    default: 0.12,
    min: 0,
    max: 10,
    step: 0.01,
    round: 0.001,
    help: 'First stage: how far what its first block adds may move from the last computed evaluation, relatively. Higher is faster and less faithful; 0 always computes this stage.',
  }),
  threshold_2: float({
    default: 0.1,
    min: 0,
    max: 10,
    step: 0.01,
    round: 0.001,
    help: 'Second stage: the same for its own first block, asked where the first stage was computed. Higher is faster; 0 always computes this stage then. Both 0 is off.',
  }),
  split: float({
    default: 0.333,
    min: 0.05,
    max: 0.95,
    step: 0.05,
    round: 0.001,
    help: 'Share of the blocks in the first stage: 19 of 57 in FLUX, the two-stream blocks. A larger share makes a skipped first stage worth more.',
  }),
  chain: toggle({
    default: true,
    help: 'As published: where the first stage is reused, the second is too, unasked. Off asks it every time: slower and more faithful.',
  }),
  pool_1: int({
    default: 2048,
    min: 0,
    max: 65536,
    help: 'First stage: tokens that a residual is averaged down to before it is compared, 0 is not at all. Fewer are blind to fine change, so more is skipped. No effect on pictures of no more tokens than this.',
  }),
  pool_2: int({
    default: 384,
    min: 0,
    max: 65536,
    help: 'Second stage: tokens that a residual is averaged down to before it is compared, 0 is not at all. Fewer are blind to fine change, so more is skipped.',
  }),
  warm_up: float({
    default: 0,
    min: 0,
    max: 1,
    step: 0.05,
    help: 'Share of the model evaluations at the start that is always computed. The layout of a picture is settled there.',
  }),
  ...windowKnobs,
}

export type H2CacheParams = Values<typeof inputs>

type Rules = Forcing & Pick<H2CacheParams, 'threshold_1' | 'threshold_2' | 'chain' | 'pool_1' | 'pool_2'>

const released = { warmUp: 0, warmUpRule: 'before', forceLast: false, start: 0, end: 1 } as const
const official: Rules = { ...released, threshold_1: 0.12, threshold_2: 0.1, chain: true, pool_1: 2048, pool_2: 384 }

const PRESETS: Readonly<Record<H2CacheParams['preset'], (params: H2CacheParams) => Rules>> = {
  custom: (params) => ({ ...params, warmUp: params.warm_up, warmUpRule: 'before', forceLast: params.force_last }),
  paper: () => ({ ...official, threshold_1: 0.15, threshold_2: 0.22 }),
  official: () => official,
  'double-first-block': () => ({ ...official, chain: false, pool_1: 0, pool_2: 0 }),
}

const isOff = ({ enabled, threshold_1, threshold_2 }: H2CacheParams): boolean =>
  !enabled || (threshold_1 === 0 && threshold_2 === 0)

/** The first block of the second stage. */
const splitOf = ({ split }: H2CacheParams, { depth }: Facts): number =>
  Math.max(1, Math.floor(split * depth + 1e-3 * depth))

/** What the first block of a stage did: tokens before and after it, of the streams that the stage looks at, text before image. */
type Seen = readonly (readonly [before: Tensor, after: Tensor])[]

const seenOf = (before: Hidden, after: Hidden, both: boolean): Seen => {
  const image = [before.image, after.image] as const
  return both && before.text && after.text ? [[before.text, after.text], image] : [image]
}

const tokensOf = (seen: Seen): number => seen.reduce((sum, [, { shape }]) => sum + shape[1]!, 0)

/** What was added, [1, tokens, width]. */
function residualOf(seen: Seen, into?: Float32Array): Tensor {
  const [tokens, width] = [tokensOf(seen), seen[0]![1].shape[2]!]
  const data = memory(tokens * width, into)
  let at = 0
  for (const [before, after] of seen) sub(after, before, data.subarray(at, (at += after.data.length)))
  return { data, shape: [1, tokens, width] }
}

/** mean|what was added - reference|, reading everything once and writing nothing. */
function distance(seen: Seen, { data }: Tensor): number {
  let [sum, at] = [0, 0]
  for (const [before, after] of seen) {
    const size = after.data.length
    sum += size * residualDistance(after, before, { data: data.subarray(at, (at += size)) })
  }
  return sum / at
}

/** One stage of one branch. Its reference moves only when it is computed. */
class Stage {
  readonly #pool: number
  readonly #rest: ResidualEstimator
  readonly #both: boolean
  /** Of the last computed evaluation, pooled. */
  #reference: Sized | null = null
  #seen: Seen = []
  /** What is seen now, where that is pooled. */
  #thumbnail: Tensor | null = null

  /** `both`: it looks at text and image tokens, else at the image's alone. */
  constructor(pool: number, rest: ResidualEstimator, both: boolean) {
    this.#pool = pool
    this.#rest = rest
    this.#both = both
  }

  get ready(): boolean {
    return this.#rest.ready && this.#reference !== null
  }

  /** Takes in what the first block did, and tells how far that is from the last computed evaluation; NaN where there is none. */
  probe(before: Hidden, after: Hidden): number {
    this.#seen = seenOf(before, after, this.#both)
    const pools = sideOf(tokensOf(this.#seen), after.image.shape[2]!, this.#pool) > 1
    this.#thumbnail = pools ? pooled(residualOf(this.#seen), this.#pool) : null
    const reference = this.#reference
    if (!reference) return NaN
    const { tokens, size } = reference
    return (this.#thumbnail ? meanAbsDifference(this.#thumbnail, tokens) : distance(this.#seen, tokens)) / size
  }

  reuse(call: Call, after: Hidden, denoiser: Denoiser): Hidden {
    return this.#rest.estimate(call, after, mayWriteOver(denoiser))
  }

  async compute(call: Call, denoiser: Denoiser, after: Hidden, from: number, to: number): Promise<Hidden> {
    const output = await denoiser.blocks(after, from, to)
    const tokens = this.#thumbnail ?? residualOf(this.#seen, this.#reference?.tokens.data)
    this.#reference = { tokens, size: meanAbs(tokens) }
    this.#rest.learn(call, after, output)
    return output
  }
}

interface BranchState {
  readonly first: Stage
  readonly second: Stage
}

interface State {
  readonly rules: Rules
  readonly branches: PerBranch<BranchState>
}

/** What the two stages did with one evaluation. */
interface Walk {
  readonly output: Hidden
  readonly drift: number
  readonly reused: readonly [boolean, boolean]
}

/** Both stages, each reused or computed. A drift that is no number compares false: computed. */
async function walk(
  call: Call,
  denoiser: Denoiser,
  input: Hidden,
  { first, second }: BranchState,
  rules: Rules,
  split: number,
  free: boolean,
): Promise<Walk> {
  const probe1 = await denoiser.blocks(input, 0, 1)
  const drift = first.probe(input, probe1)
  const hit1 = free && first.ready && drift < rules.threshold_1
  const between = hit1 ? first.reuse(call, probe1, denoiser) : await first.compute(call, denoiser, probe1, 1, split)
  const probe2 = await denoiser.blocks(between, split, split + 1)
  const mayReuse = free && second.ready
  const hit2 = (mayReuse && hit1 && rules.chain) || (second.probe(between, probe2) < rules.threshold_2 && mayReuse)
  const output = hit2
    ? second.reuse(call, probe2, denoiser)
    : await second.compute(call, denoiser, probe2, split + 1, denoiser.facts.depth)
  return { output, drift, reused: [hit1, hit2] }
}

async function evaluate(
  call: Call,
  branch: Branch,
  denoiser: Denoiser,
  { rules, branches }: State,
  params: H2CacheParams,
): Promise<Evaluated> {
  const forced = forcedBecause(call, branch, rules)
  const input = await denoiser.embed(call, branch)
  const split = splitOf(params, denoiser.facts)
  const { output, drift, reused } = await walk(
    call,
    denoiser,
    input,
    branches.of(branch),
    rules,
    split,
    forced === null,
  )
  const prediction = await denoiser.head(output)
  const measured = Number.isFinite(drift) ? { drift } : {}
  if (forced !== null) return { prediction, trace: { decision: 'full', forced } }
  const count = reused.filter(Boolean).length
  return { prediction, trace: { decision: (['resumed', 'partial', 'skipped'] as const)[count]!, ...measured } }
}

export const h2cache: CacheMethod<H2CacheParams, State> = {
  id: 'H2Cache',
  needs(params, facts) {
    if (isOff(params)) return {}
    const split = splitOf(params, facts)
    if (split < 2 || facts.depth - split < 2)
      throw new UnmetNeedsError(
        `H2Cache: split ${params.split} makes stages of ${split} and ${facts.depth - split} blocks on the ${facts.family} model ` +
          `of ${facts.depth}; each needs at least 2. Move the split.`,
      )
    return { cuts: [0, 1, split, split + 1, facts.depth] }
  },
  start(params) {
    const rules = PRESETS[params.preset](params)
    return {
      rules,
      branches: new PerBranch(() => ({
        first: new Stage(rules.pool_1, new ResidualEstimator(REUSE, 'image and text'), false),
        second: new Stage(rules.pool_2, new ResidualEstimator(REUSE, 'image'), true),
      })),
    }
  },
  evaluate: (call, denoiser, state, params) =>
    eachBranch(call, async (branch) =>
      isOff(params) ? inFull(denoiser, call, branch) : evaluate(call, branch, denoiser, state, params),
    ),
}

export default defineNode({
  type: 'H2Cache',
  category: 'caching',
  title: 'H2-Cache',
  help: 'Splits the model into a stage for structure and a stage for detail and skips the rest of either while its first block does much the same as last time. Connect it to a sampler.',
  inputs,
  outputs: { CACHE: 'CACHE' },
  validate: ({ start, end }) => windowFaults(start, end),
  run: (values) => ({ CACHE: configure(h2cache, values) }),
})
