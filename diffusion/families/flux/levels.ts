/** What a FLUX transformer needs of noise levels: time embeddings and modulations, for the rows at hand or for many levels at once. */
import { LazySession } from '../../onnx/lazy-session.ts'
import { row, tensor, type Tensor } from '../../tensor.ts'
import type { Foreseen, Level, Prepared, Rows } from '../contract.ts'
import { levelFlops } from './flops.ts'
import type { FluxParts } from './layers.ts'
import { levelGraph, modulationCount, type ModulationSource } from './modulation.ts'
import { timeFeatures } from './tables.ts'

/** Most memory for what is made beforehand: longer runs, and many prompts, have it made in several parts. */
const MOST_BYTES = 64 * 1024 ** 2

/** Rows temb [B, width] and, where modulations are made beforehand, mods [B, all, width]. */
export class FluxLevels {
  readonly #session: LazySession
  readonly #parts: FluxParts
  readonly #source: ModulationSource

  constructor(
    parts: FluxParts,
    source: ModulationSource,
    open: (build: () => ReturnType<typeof levelGraph>) => LazySession,
  ) {
    this.#parts = parts
    this.#source = source
    this.#session = open(() => levelGraph(parts, source))
  }

  /** For sigmas [B] and prompts, vector [B, width]. */
  at(sigma: Tensor, vector: Tensor): Promise<Rows> {
    return this.#session.run({ time: timeFeatures(sigma.data), vector })
  }

  /** See `Transformer.foresee`. Rows of one level lie side by side in memory, in the order of the prompts. */
  async foresee(prepared: readonly Prepared[], levels: readonly Level[]): Promise<Foreseen> {
    const { config } = this.#parts
    const vectors = prepared.map(({ rows }) => rows['vector']!)
    const rowBytes = 4 * config.width * (this.#source === 'mods' ? 1 + modulationCount(config) : 1)
    const first = levels.slice(0, Math.max(1, Math.floor(MOST_BYTES / (rowBytes * prepared.length))))
    const sigmas = first.flatMap(({ sigma }) => prepared.map(() => sigma))
    const vector = new Float32Array(sigmas.length * config.width)
    sigmas.forEach((_, i) => vector.set(vectors[i % vectors.length]!.data, i * config.width))
    const made = await this.at(
      tensor(Float32Array.from(sigmas), [sigmas.length]),
      tensor(vector, [sigmas.length, config.width]),
    )
    const rowAt = (i: number): Rows =>
      Object.fromEntries(Object.entries(made).map(([name, all]) => [name, row(all, i)]))
    const rows = first.map((_, level) => prepared.map((_, prompt) => rowAt(level * prepared.length + prompt)))
    return { rows, flops: levelFlops(config, this.#source) }
  }

  release(): Promise<void> {
    return this.#session.release()
  }
}
