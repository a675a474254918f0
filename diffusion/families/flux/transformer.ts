/** A FLUX transformer in parts, on ONNX Runtime sessions that open when first needed. */
import type { Facts } from '../../caching/contract.ts'
import { LazySession } from '../../onnx/lazy-session.ts'
import { chooseWeightMode, type WeightMode } from '../../onnx/session.ts'
import type { Model } from '../../onnx/graph.ts'
import { sizeOf, tensor, type Tensor } from '../../tensor.ts'
import type { Conditioning, Foreseen, Level, Part, Prepared, Rows, TokenCounts, Transformer } from '../contract.ts'
import type { FluxConfig } from './config.ts'
import { fluxFlops } from './flops.ts'
import { FluxBlocks, modulationSource } from './run-blocks.ts'
import { embedGraph, headGraph, modulatedGraph, textGraph } from './graphs.ts'
import type { FluxParts } from './layers.ts'
import { FluxLevels } from './levels.ts'
import type { ModulationSource } from './modulation.ts'
import { rotaryTables, timeFeatures } from './tables.ts'
import { heldByAttention } from '../shared/held.ts'
import { textFaults } from '../shared/text-faults.ts'

/** Distilled guidance when no node sets it, as ComfyUI and diffusers have it. */
const DEFAULT_GUIDANCE = 3.5
/** Shapes whose tables are kept: the sizes and prompt lengths in use at one time are few. */
const TABLES_KEPT = 8
/** Below this width what lies outside the blocks takes some 0.1 ms, less than waking a second thread for each operator. */
const SMALL_WIDTH = 1024

const float32Size = ({ weights }: FluxParts): number =>
  [...weights.values()].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0)

/** Runs the graphs of `graphs.ts`; see `Transformer` for the shapes. */
export class FluxTransformer implements Transformer {
  readonly facts: Facts
  readonly #config: FluxConfig
  readonly #mode: WeightMode
  readonly #name: string
  readonly #source: ModulationSource
  readonly #text: LazySession
  readonly #levels: FluxLevels
  readonly #embedding: LazySession
  readonly #blocks: FluxBlocks
  readonly #headOut: LazySession
  readonly #modulated: LazySession
  readonly #tables = new Map<string, Rows>()
  #released = false

  /** `name` stands in front of errors. */
  constructor(parts: FluxParts, name: string, mode: WeightMode = chooseWeightMode(float32Size(parts))) {
    const { config } = parts
    const depth = config.doubleBlocks + config.singleBlocks
    this.#config = config
    this.#mode = mode
    this.#name = name
    const source = modulationSource(mode)
    const outer = (part: string, graph: () => Model, few = config.width < SMALL_WIDTH): LazySession =>
      new LazySession(graph, { mode, name: `${name}, ${part}`, kind: few ? 'small' : 'tokens' })
    this.#source = source
    this.#text = outer('text', () => textGraph(parts))
    this.#levels = new FluxLevels(parts, source, (graph) => outer('noise levels', graph, false))
    this.#embedding = outer('embed', () => embedGraph(parts))
    this.#headOut = outer('head', () => headGraph(parts, source))
    this.#modulated = outer('modulated input', () => modulatedGraph(parts, source))
    this.#blocks = new FluxBlocks(parts, mode, name)
    const cuts = new Set(Array.from({ length: depth + 1 }, (_, i) => i))
    this.facts = {
      family: 'flux',
      depth,
      cuts,
      modules: new Set(['attn', 'mlp']),
      taps: new Set(['modulated', 'temb', 'attention mass']),
    }
  }

  #assertOpen(): void {
    if (this.#released) throw new Error(`${this.#name}: used after release`)
  }

  async prepare(conditioning: Conditioning, latentShape: readonly number[]): Promise<Prepared> {
    this.#assertOpen()
    const { tokens, pooled } = this.#checked(conditioning, latentShape)
    const guidance = conditioning.extras['guidance'] ?? DEFAULT_GUIDANCE
    const features = this.#config.guidance ? { guidance: timeFeatures([guidance]) } : {}
    const rows = await this.#text.run({ tokens, pooled, ...features })
    const [, height = 0, width = 0] = latentShape
    const text = tokens.shape[1] ?? 0
    return { rows, shared: this.#sharedFor(latentShape, text), tokens: { image: (height * width) / 4, text } }
  }

  get heldPerToken(): number {
    return heldByAttention(this.#config.width, this.#mode)
  }

  flops(part: Part, tokens: TokenCounts): number {
    return fluxFlops(part, tokens, this.#config, this.#source)
  }

  foresee(prepared: readonly Prepared[], levels: readonly Level[]): Promise<Foreseen> {
    this.#assertOpen()
    return this.#levels.foresee(prepared, levels)
  }

  #checked({ tokens, pooled }: Conditioning, latentShape: readonly number[]): { tokens: Tensor; pooled: Tensor } {
    const { textWidth, pooledWidth, patchChannels } = this.#config
    const [channels, height = 0, width = 0] = latentShape
    const faults = [...textFaults(tokens, textWidth)]
    if (pooled?.shape[1] !== pooledWidth)
      faults.push(`pooled text is ${pooled ? `[${pooled.shape.join(', ')}]` : 'absent'}, expected [1, ${pooledWidth}]`)
    if (channels !== patchChannels / 4 || latentShape.length !== 3)
      faults.push(`the latent is [${latentShape.join(', ')}], expected [${patchChannels / 4}, H, W]`)
    if (height < 2 || width < 2 || height % 2 !== 0 || width % 2 !== 0)
      faults.push(`the latent's sides ${height} x ${width} must be even`)
    if (faults.length > 0 || !pooled) throw new Error(`${this.#name}: ${faults.join('; ')}`)
    return { tokens, pooled }
  }

  /** The same object for the same shapes, so that calls of several prompts and samples can run as one batch. */
  #sharedFor([, height = 0, width = 0]: readonly number[], textTokens: number): Rows {
    const key = `${height} ${width} ${textTokens}`
    const [h, w] = [height / 2, width / 2]
    const shared = this.#tables.get(key) ?? {
      ...rotaryTables(this.#config.axes, textTokens, h, w),
      grid: tensor(Float32Array.of(h, w), [2]),
    }
    this.#tables.delete(key)
    this.#tables.set(key, shared)
    for (const oldest of [...this.#tables.keys()].slice(0, -TABLES_KEPT)) this.#tables.delete(oldest)
    return shared
  }

  async run(part: Part, rows: Rows, shared: Rows): Promise<Rows> {
    this.#assertOpen()
    if (part.kind === 'embed') return this.#embed(rows)
    if (part.kind === 'head') return this.#head(rows, shared)
    if (part.kind === 'tap') return this.#tap(part.name, rows)
    this.#take(rows, ['image', 'text', this.#source])
    this.#take(shared, ['cos', 'sin'])
    return this.#blocks.run(part, rows, shared)
  }

  #take<K extends string>(rows: Rows, names: readonly K[]): Record<K, Tensor> & Record<string, Tensor> {
    const missing = names.filter((name) => !(name in rows))
    if (missing.length > 0) throw new Error(`${this.#name}: rows without ${missing.join(', ')}`)
    return rows as Record<K, Tensor> & Record<string, Tensor>
  }

  async #embed(rows: Rows): Promise<Rows> {
    const { latent, sigma, vector, text, temb, mods } = this.#take(rows, ['latent', 'sigma', 'vector', 'text'])
    const known = temb && (mods ?? this.#source === 'temb')
    const [batch = 0, channels = 0, height = 0, width = 0] = latent.shape
    const patches = { data: latent.data, shape: [batch, channels, height / 2, 2, width / 2, 2] }
    const level = known ? { temb, ...(mods && { mods }) } : await this.#levels.at(sigma, vector)
    return { ...(await this.#embedding.run({ patches })), ...level, text }
  }

  async #head(rows: Rows, shared: Rows): Promise<Rows> {
    const { image, [this.#source]: modulation } = this.#take(rows, ['image', this.#source])
    const [h = 0, w = 0] = this.#take(shared, ['grid']).grid.data
    const channels = this.#config.patchChannels / 4
    const grid = { data: BigInt64Array.from([0, h, w, channels, 2, 2], BigInt), shape: [6] }
    const { prediction } = await this.#headOut.run({ image, [this.#source]: modulation, grid })
    return { prediction: tensor(prediction!.data, [image.shape[0] ?? 0, channels, 2 * h, 2 * w]) }
  }

  async #tap(name: string, rows: Rows): Promise<Rows> {
    if (!this.facts.taps.has(name))
      throw new Error(`${this.#name}: no tap '${name}'; it has ${[...this.facts.taps].join(', ')}`)
    if (name === 'temb') return { temb: this.#take(rows, ['temb']).temb }
    const { image, [this.#source]: modulation } = this.#take(rows, ['image', this.#source])
    return this.#modulated.run({ image, [this.#source]: modulation })
  }

  async release(): Promise<void> {
    this.#released = true
    for (const session of [this.#text, this.#levels, this.#embedding, this.#headOut, this.#modulated])
      await session.release()
    await this.#blocks.release()
  }
}
