/** Records one full sampling run in small: what caching methods look at, at some of the tokens, so that their decisions can be replayed. */
import type { TokenCounts } from '../families/contract.ts'
import type { Tensor } from '../tensor.ts'
import {
  configure,
  moduleKey,
  type Branch,
  type CacheConfiguration,
  type Call,
  type Denoiser,
  type Evaluated,
  type Facts,
  type Hidden,
  type ModuleKey,
  type ModuleOutput,
  type ModuleRun,
  type Needs,
  type RunFacts,
} from './contract.ts'

/** Values that a whole recording holds, about 256 MiB; a small model's is far below it and keeps every token. */
const BUDGET = 1 << 26
/** Tokens that are kept at least; with fewer, means over them say little about the mean over all. */
const LEAST_TOKENS = 16
/** The golden ratio less one. */
const GOLDEN = (Math.sqrt(5) - 1) / 2
/** Latents of more values are kept at every second, third, ... place of each row and column. */
const LATENT_VALUES = 1 << 19

/** Image and text tokens after some block, fewer than there were. */
export type Kept = Pick<Hidden, 'image' | 'text'>

/** One branch of one evaluation, computed in full. */
export interface RecordedEvaluation {
  /** By cut: 0 is after embed. */
  readonly states: ReadonlyMap<number, Kept>
  readonly outputs: ReadonlyMap<ModuleKey, ModuleOutput>
  readonly taps: ReadonlyMap<string, Tensor>
  readonly prediction: Tensor
}

export interface RecordedCall {
  readonly call: Call
  readonly branches: ReadonlyMap<Branch, RecordedEvaluation>
}

/** A full run. Calls by sample, then in order of evaluation. */
export interface Recording {
  readonly facts: Facts
  readonly run: RunFacts | undefined
  /** Tokens of one row as the model had them, by branch; null where no tokens were recorded. */
  readonly tokens: ReadonlyMap<Branch, TokenCounts> | null
  readonly samples: readonly (readonly RecordedCall[])[]
}

/**
 * Which `count` of `total` tokens to keep: multiples of the golden ratio, which spread over a picture's rows and columns
 * alike where even spacing would fall into one column. Rising, without repeats.
 */
export function tokensKept(total: number, count: number): readonly number[] {
  if (count >= total) return Array.from({ length: total }, (_, i) => i)
  const chosen = new Set<number>()
  for (let k = 0; chosen.size < count; k++) chosen.add(Math.floor(((k * GOLDEN) % 1) * total))
  return [...chosen].sort((a, b) => a - b)
}

/** A copy of [1, tokens, width] at the kept tokens. */
function thinTokens({ data, shape }: Tensor, limit: number): Tensor {
  const [, total = 0, width = 0] = shape
  const kept = tokensKept(total, Math.max(LEAST_TOKENS, Math.floor(limit / Math.max(1, width))))
  const out = new Float32Array(kept.length * width)
  kept.forEach((token, i) => out.set(data.subarray(token * width, (token + 1) * width), i * width))
  return { data: out, shape: [1, kept.length, width] }
}

/** A copy of a latent [..., h, w], at every `step`-th row and column so that it holds at most LATENT_VALUES. */
function thinLatent({ data, shape }: Tensor): Tensor {
  const step = Math.ceil(Math.sqrt(data.length / LATENT_VALUES))
  if (step <= 1) return { data: data.slice(), shape }
  const [height = 1, width = 1] = shape.slice(-2)
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)]
  const planes = data.length / (height * width)
  const out = new Float32Array(planes * rows * columns)
  for (let i = 0; i < out.length; i++) {
    const [plane, y, x] = [Math.floor(i / (rows * columns)), Math.floor(i / columns) % rows, i % columns]
    out[i] = data[(plane * height + y * step) * width + x * step]!
  }
  return { data: out, shape: [...shape.slice(0, -2), rows, columns] }
}

const keptOf = ({ image, text }: Kept, limit: number): Kept => ({
  image: thinTokens(image, limit),
  text: text && thinTokens(text, limit),
})

/** Everything that any of the configurations asks of the model. */
function unionOf(all: readonly Needs[]): Required<Needs> {
  const union = <T>(pick: (needs: Needs) => readonly T[] | undefined): T[] => [
    ...new Set(all.flatMap((needs) => pick(needs) ?? [])),
  ]
  return {
    ...{ cuts: union((n) => n.cuts), skips: union((n) => n.skips) },
    ...{ modules: union((n) => n.modules), taps: union((n) => n.taps) },
  }
}

const asksForTokens = ({ cuts, modules, taps }: Required<Needs>): boolean =>
  cuts.length + modules.length + taps.length > 0

/** Runs blocks [from, to), with the outputs of their modules if any are wanted. */
async function advance(denoiser: Denoiser, hidden: Hidden, from: number, to: number, kinds: readonly string[]) {
  if (kinds.length === 0) {
    const none: ModuleRun['outputs'] = new Map()
    return { hidden: await denoiser.blocks(hidden, from, to), outputs: none }
  }
  const blocks = Array.from({ length: to - from }, (_, i) => from + i)
  const emit = new Set(blocks.flatMap((block) => kinds.map((kind) => moduleKey(kind, block))))
  return denoiser.modules(hidden, from, to, { emit })
}

interface Recorded {
  readonly answer: Evaluated
  readonly recorded: RecordedEvaluation
  readonly tokens: TokenCounts | null
}

const full = (prediction: Tensor): Evaluated => ({ prediction, trace: { decision: 'full' } })

/** Computes one branch in full, stopping at every cut that is wanted. `limit` is in values per tensor. */
async function recordBranch(
  call: Call,
  branch: Branch,
  denoiser: Denoiser,
  wanted: Required<Needs>,
  limit: number,
): Promise<Recorded> {
  const [states, outputs, taps] = [
    new Map<number, Kept>(),
    new Map<ModuleKey, ModuleOutput>(),
    new Map<string, Tensor>(),
  ]
  // The first evaluation is taken apart in any case: it tells how many tokens there are.
  if (!asksForTokens(wanted) && call.index > 0) {
    const answer = full(await denoiser.predict(call, branch))
    return { answer, recorded: { states, outputs, taps, prediction: thinLatent(answer.prediction) }, tokens: null }
  }
  let hidden = await denoiser.embed(call, branch)
  const tokens = { image: hidden.image.shape[1] ?? 0, text: hidden.text?.shape[1] ?? 0 }
  states.set(0, keptOf(hidden, limit))
  for (const name of wanted.taps) {
    const tap = await denoiser.tap(hidden, name)
    taps.set(name, tap.shape.length === 3 ? thinTokens(tap, limit) : { ...tap, data: tap.data.slice() })
  }
  const { depth } = denoiser.facts
  const stops = [...new Set([...wanted.cuts, depth])].filter((cut) => cut > 0).sort((a, b) => a - b)
  let from = 0
  for (const to of stops) {
    const run = await advance(denoiser, hidden, from, to, wanted.modules)
    for (const [key, output] of run.outputs) outputs.set(key, keptOf(output, limit))
    hidden = run.hidden
    states.set(to, keptOf(hidden, limit))
    from = to
  }
  const answer = full(await denoiser.head(hidden))
  return { answer, recorded: { states, outputs, taps, prediction: thinLatent(answer.prediction) }, tokens }
}

/** Tensors that one branch of one evaluation leaves. */
const tensorsOf = ({ cuts, modules, taps }: Required<Needs>, depth: number): number =>
  2 * (cuts.length + 2) + 2 * modules.length * depth + taps.length

export interface Recorder {
  /** Computes everything, and records it: the `cache` of the run to be recorded. */
  readonly cache: CacheConfiguration
  /** What was recorded so far. */
  recording(): Recording
}

/**
 * A recorder of what these configurations may look at, for one run of `samples` samples. `budget` is how many values it may
 * keep. Its run gives the picture of a plain run.
 */
export function recorder(configurations: readonly CacheConfiguration[], samples: number, budget = BUDGET): Recorder {
  const calls: RecordedCall[][] = Array.from({ length: samples }, () => [])
  const tokens = new Map<Branch, TokenCounts>()
  let opened: { readonly facts: Facts; readonly run: RunFacts | undefined } | null = null
  const wantedOf = (facts: Facts, run?: RunFacts) => unionOf(configurations.map((cache) => cache.needs(facts, run)))
  const cache = configure<object, Required<Needs>>(
    {
      id: 'Recording',
      needs: (_, facts, run) => wantedOf(facts, run),
      start(_, facts, run) {
        opened = { facts, run }
        return wantedOf(facts, run)
      },
      async evaluate(call, denoiser, wanted) {
        const evaluations = call.total * call.branches.length * samples
        const limit = budget / (evaluations * tensorsOf(wanted, denoiser.facts.depth))
        const all = await Promise.all(
          call.branches.map(
            async (branch) => [branch, await recordBranch(call, branch, denoiser, wanted, limit)] as const,
          ),
        )
        for (const [branch, one] of all) if (one.tokens) tokens.set(branch, one.tokens)
        const branches = new Map(all.map(([branch, { recorded }]) => [branch, recorded]))
        calls[call.sample]!.push({ call: { ...call, latent: thinLatent(call.latent) }, branches })
        return new Map(all.map(([branch, { answer }]) => [branch, answer]))
      },
    },
    {},
  )
  return {
    cache,
    recording() {
      if (!opened) throw new Error('recording: nothing was run')
      return { ...opened, tokens: tokens.size > 0 ? tokens : null, samples: calls }
    },
  }
}
