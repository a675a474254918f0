/** Replays a caching method over a recorded full run: which evaluations it would skip, without running the model. */
import { setImmediate } from 'node:timers/promises'
import { charge, nothingSpent, plainFlops, type Spent } from '../accounting.ts'
import type { Part, TokenCounts, Transformer } from '../families/contract.ts'
import { shapeOfPlan } from '../modules.ts'
import { copy } from '../tensor.ts'
import type { Branch, CacheConfiguration, Call, Denoiser, Hidden, ModulePlan, ModuleRun } from './contract.ts'
import type { Kept, RecordedEvaluation, Recording } from './recording.ts'
import type { ReportRow } from './report-types.ts'

/** A row of a report that was predicted: there is no time in it. */
export type PredictedRow = Omit<ReportRow, 'milliseconds'>

/** What a run with some configuration is expected to do. Rows in order of evaluation, sample, branch. */
export interface Prediction {
  readonly rows: readonly PredictedRow[]
  readonly computedBlocks: number
  readonly totalBlocks: number
  readonly computedFlops: number
  readonly totalFlops: number
}

/** What a replayed hidden state stands for. */
interface Place {
  readonly recorded: RecordedEvaluation
  readonly tokens: TokenCounts
  readonly spent: Spent
}

const placeOf = (hidden: Hidden): Place => hidden.context as Place

const missing = (what: string): Error =>
  new Error(`replay: the method asks for ${what}, which it did not name among its needs; it cannot be predicted`)

/**
 * A denoiser that answers with what the full run had at that point, whatever it is handed: the prediction's one assumption.
 * What was asked for is charged as the model would have charged it.
 */
class RecordedDenoiser implements Denoiser {
  readonly facts: Denoiser['facts']
  readonly #transformer: Transformer
  readonly #recording: Recording
  readonly #spent = new Map<Branch, Spent>()

  constructor(recording: Recording, transformer: Transformer) {
    this.facts = recording.facts
    this.#recording = recording
    this.#transformer = transformer
  }

  async predict(call: Call, branch: Branch) {
    const place = this.#place(call, branch)
    const { depth } = this.facts
    for (const part of [{ kind: 'embed' }, { kind: 'blocks', from: 0, to: depth }, { kind: 'head' }] as const)
      this.#charge(place, part)
    return Promise.resolve(place.recorded.prediction)
  }

  embed(call: Call, branch: Branch): Promise<Hidden> {
    const place = this.#place(call, branch)
    this.#charge(place, { kind: 'embed' })
    return Promise.resolve(this.#hidden(place, 0))
  }

  blocks(hidden: Hidden, from: number, to: number): Promise<Hidden> {
    if (from === to) return Promise.resolve(hidden)
    this.#charge(placeOf(hidden), { kind: 'blocks', from, to })
    return Promise.resolve(this.#hidden(placeOf(hidden), to))
  }

  modules(hidden: Hidden, from: number, to: number, plan: ModulePlan): Promise<ModuleRun> {
    const place = placeOf(hidden)
    const kept = { image: hidden.image.shape[1] ?? 0, text: hidden.text?.shape[1] ?? 0 }
    const shape = shapeOfPlan(plan, { from, to, kinds: this.facts.modules, tokens: kept })
    const scaled = Object.entries(shape.refreshed).map(([key, count]) => {
      return [key, (count * place.tokens.image) / Math.max(1, kept.image)] as const
    })
    this.#charge(place, { kind: 'blocks', from, to, modules: { ...shape, refreshed: Object.fromEntries(scaled) } })
    const outputs = shape.emitted.map((key) => {
      const output = place.recorded.outputs.get(key)
      if (!output) throw missing(`the output of '${key}'`)
      return [key, output] as const
    })
    return Promise.resolve({ hidden: this.#hidden(place, to), outputs: new Map(outputs) })
  }

  tap(hidden: Hidden, name: string) {
    const place = placeOf(hidden)
    const tap = place.recorded.taps.get(name)
    if (!tap) throw missing(`the tensor '${name}'`)
    this.#charge(place, { kind: 'tap', name })
    return Promise.resolve(tap)
  }

  head(hidden: Hidden) {
    this.#charge(placeOf(hidden), { kind: 'head' })
    return Promise.resolve(placeOf(hidden).recorded.prediction)
  }

  /** What the calls since the last time asked would have cost. */
  takeSpent(branch: Branch): Spent {
    const spent = this.#spent.get(branch) ?? nothingSpent()
    this.#spent.delete(branch)
    return spent
  }

  #place({ sample, index }: Call, branch: Branch): Place {
    const recorded = this.#recording.samples[sample]?.[index]?.branches.get(branch)
    if (!recorded)
      throw new Error(`replay: evaluation ${index} of sample ${sample}, branch ${branch}, was not recorded`)
    const spent = this.#spent.get(branch) ?? nothingSpent()
    this.#spent.set(branch, spent)
    return { recorded, tokens: this.#recording.tokens?.get(branch) ?? { image: 0, text: 0 }, spent }
  }

  #charge({ spent, tokens }: Place, part: Part): void {
    charge(spent, this.#transformer, part, tokens)
  }

  #hidden(place: Place, cut: number): Hidden {
    const state: Kept | undefined = place.recorded.states.get(cut)
    if (!state) throw missing(`the tokens at block ${cut}`)
    // In memory of their own, as the contract has it: a method may write its estimate over them, and the recording is replayed often.
    return { ...state, image: copy(state.image), context: place }
  }
}

/** The rows of one sample, evaluation by evaluation. */
async function replaySample(recording: Recording, sample: number, cache: CacheConfiguration, transformer: Transformer) {
  const denoiser = new RecordedDenoiser(recording, transformer)
  const evaluate = cache.bind(recording.facts, recording.run)()
  const rows: PredictedRow[] = []
  for (const { call } of recording.samples[sample] ?? []) {
    for (const [branch, { trace }] of await evaluate(call, denoiser)) {
      const { milliseconds: _, ...spent } = denoiser.takeSpent(branch)
      rows.push({ ...trace, ...spent, evaluation: call.index, sample, branch, sigma: call.sigma })
    }
  }
  return rows
}

/** Operations of the recorded run as a plain one. */
function plainCost({ samples, tokens }: Recording, transformer: Transformer): number {
  const calls = samples.flat()
  const one = (branch: Branch): number => {
    const counts = tokens?.get(branch)
    return counts ? plainFlops(transformer, counts) : 0
  }
  return calls.reduce((sum, { call }) => sum + call.branches.reduce((part, branch) => part + one(branch), 0), 0)
}

/**
 * What a run with `cache` instead of the recorder would do. Every decision up to and including the first skip is exact where
 * all tokens were kept; after it a real run's latents, and with them its drift, are no longer the recorded ones.
 */
export async function replay(
  recording: Recording,
  cache: CacheConfiguration,
  transformer: Transformer,
): Promise<Prediction> {
  // Lets the process hear of an abort between two predictions.
  await setImmediate()
  const bySample = await Promise.all(recording.samples.map((_, i) => replaySample(recording, i, cache, transformer)))
  const rows = bySample.flat().sort((a, b) => a.evaluation - b.evaluation || a.sample - b.sample)
  return {
    rows,
    computedBlocks: rows.reduce((sum, row) => sum + row.blocks, 0),
    totalBlocks: rows.length * recording.facts.depth,
    computedFlops: rows.reduce((sum, row) => sum + row.flops, 0),
    totalFlops: plainCost(recording, transformer),
  }
}

/** Where a prediction and a real run part. */
export interface Divergence {
  readonly evaluation: number
  readonly sample: number
  readonly branch: Branch
  readonly predicted: ReportRow['decision']
  readonly real: ReportRow['decision']
}

/** The first row, in order of evaluation, whose decision was predicted wrongly; null when all were right. */
export function firstDivergence(predicted: readonly PredictedRow[], real: readonly ReportRow[]): Divergence | null {
  const keyOf = ({ evaluation, sample, branch }: PredictedRow) => `${evaluation}/${sample}/${branch}`
  const byKey = new Map(predicted.map((row) => [keyOf(row), row]))
  for (const row of [...real].sort((a, b) => a.evaluation - b.evaluation || a.sample - b.sample)) {
    const expected = byKey.get(keyOf(row))
    if (expected && expected.decision !== row.decision) {
      const { evaluation, sample, branch, decision } = row
      return { evaluation, sample, branch, predicted: expected.decision, real: decision }
    }
  }
  return null
}
