/** A transformer in parts on ONNX Runtime sessions that open when first needed, from the graphs and rows that a family gives. */
import type { Facts } from '../../caching/contract.ts'
import { LazySession } from '../../onnx/lazy-session.ts'
import type { Model } from '../../onnx/graph.ts'
import { Segments } from '../../onnx/segments.ts'
import { chooseWeightMode, openSession, type Feed, type Session, type WeightMode } from '../../onnx/session.ts'
import { sizeOf } from '../../tensor.ts'
import type { Conditioning, ModuleShape, Part, Prepared, Rows, TokenCounts, Transformer } from '../contract.ts'
import { heldByAttention, heldByResnet } from './held.ts'
import type { NamedWeights } from './layers.ts'
import { ModuleBlocks, plainStyle, type BlocksStyle, type Range, type Sizes } from './module-blocks.ts'
import { emittedRows, givenRows } from './module-routes.ts'

type Feeds = Readonly<Record<string, Feed>>
type BlocksPart = Part & { readonly kind: 'blocks' }

/** A part outside the blocks. */
export interface OuterPart {
  graph(): Model
  /** What the graph takes, from the rows and shared values of the part. */
  feeds(rows: Rows, shared: Rows): Feeds
}

/** What a family says of its transformer. */
export interface Design {
  readonly facts: Facts
  /** Stands in front of errors. */
  readonly name: string
  readonly weights: NamedWeights
  /** What depends on the prompt only; its feeds are made by `prompt`. Null where the prompt needs no model. */
  readonly text: (() => Model) | null
  readonly embed: OuterPart & {
    /** Rows that need no graph. */
    more?(rows: Rows): Rows
  }
  readonly head: OuterPart & {
    /** The graph's outputs as rows of the part, `prediction` among them. */
    finish(outputs: Rows, shared: Rows): Rows
  }
  readonly taps: Readonly<Record<string, OuterPart>>
  /** Taps that are rows between the blocks as they are. */
  readonly readable: readonly string[]
  /** Blocks [from, to): takes the rows `carried` and gives those that change. The style matters where there is `modular`. */
  blocks(from: number, to: number, style: BlocksStyle): Model
  /** Joint blocks, whose modules can be given and taken out. */
  readonly modular?: Sizes
  /** Rows between the blocks. */
  readonly carried: readonly string[]
  /** Shared values that every range of blocks takes (rotary tables). */
  readonly constants?: readonly string[]
  /** A U-Net's skip tensors: rows that are there at some cuts only. Its ranges of blocks take of all rows what they need. */
  readonly skips?: {
    at(cut: number): readonly string[]
    /** Skip tensors that are missing at a cut because the blocks before were left out, from the tokens that stand there instead. */
    stand(cut: number, rows: Rows): Rows
  }
  /** Feeds of the text graph, and rows that need no graph. Throws when the conditioning is not this model's. */
  prompt(conditioning: Conditioning, latentShape: readonly number[]): { feeds: Feeds; rows: Rows; tokens: TokenCounts }
  /** Names of further inputs that the shared values depend on. */
  readonly sharedBy?: readonly string[]
  /** What all samples of this latent shape share; asked once for a shape and what `sharedBy` names of `extras`. */
  shared(latentShape: readonly number[], extras: Conditioning['extras']): Rows
  /** Values of an image token between the blocks; of a U-Net those of a cell at the first of its levels. */
  readonly width: number
  flops(part: Part, tokens: TokenCounts): number
}

/** Shapes whose shared values are kept: the sizes in use at one time are few. */
const SHAPES_KEPT = 8

const float32Size = (weights: NamedWeights): number =>
  [...weights.values()].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0)

/** Runs the graphs of a design; see `Transformer` for the shapes. */
export class PartedTransformer implements Transformer {
  readonly facts: Facts
  readonly #design: Design
  readonly #text: LazySession | null
  readonly #embed: LazySession
  readonly #head: LazySession
  readonly #taps: ReadonlyMap<string, LazySession>
  readonly #mode: WeightMode
  /** Null once the graphs with branches have taken the place of the plain ones. */
  #blocks: Segments | null
  #modular: ModuleBlocks | null = null
  readonly #shared = new Map<string, Rows>()
  #released = false

  constructor(design: Design) {
    const { name, text, embed, head, taps } = design
    this.#design = design
    this.facts = design.facts
    const mode = chooseWeightMode(float32Size(design.weights))
    this.#mode = mode
    const outer = (part: string, graph: () => Model) => new LazySession(graph, { mode, name: `${name}, ${part}` })
    this.#text = text && outer('text', text)
    this.#embed = outer('embed', () => embed.graph())
    this.#head = outer('head', () => head.graph())
    this.#taps = new Map(Object.entries(taps).map(([tap, part]) => [tap, outer(tap, () => part.graph())]))
    this.#blocks = new Segments(design.facts.depth, async (from, to) => {
      const graph = design.blocks(from, to, plainStyle(mode))
      const session = await openSession(graph, mode, `${name}, blocks ${from} to ${to}`)
      return design.skips ? narrowed(session, graph.inputs) : session
    })
  }

  #assertOpen(): void {
    if (this.#released) throw new Error(`${this.#design.name}: used after release`)
  }

  async prepare(conditioning: Conditioning, latentShape: readonly number[]): Promise<Prepared> {
    this.#assertOpen()
    const { feeds, rows, tokens } = this.#design.prompt(conditioning, latentShape)
    const embedded = await this.#text?.run(feeds)
    return { rows: { ...rows, ...embedded }, shared: this.#sharedFor(latentShape, conditioning.extras), tokens }
  }

  /** The same object for the same shape, so that calls of several prompts and samples can run as one batch. */
  #sharedFor(latentShape: readonly number[], extras: Conditioning['extras']): Rows {
    const { sharedBy = [] } = this.#design
    const key = [latentShape, ...sharedBy.map((name) => extras[name])].join()
    const shared = this.#shared.get(key) ?? this.#design.shared(latentShape, extras)
    this.#shared.delete(key)
    this.#shared.set(key, shared)
    for (const oldest of [...this.#shared.keys()].slice(0, -SHAPES_KEPT)) this.#shared.delete(oldest)
    return shared
  }

  get heldPerToken(): number {
    const { width, skips } = this.#design
    return skips ? heldByResnet(width) : heldByAttention(width, this.#mode)
  }

  flops(part: Part, tokens: TokenCounts): number {
    return this.#design.flops(part, tokens)
  }

  async run(part: Part, rows: Rows, shared: Rows): Promise<Rows> {
    this.#assertOpen()
    const { embed, head } = this.#design
    if (part.kind === 'embed')
      return { ...this.#carriedOf(rows), ...embed.more?.(rows), ...(await this.#embed.run(embed.feeds(rows, shared))) }
    if (part.kind === 'head') return head.finish(await this.#head.run(head.feeds(rows, shared)), shared)
    return part.kind === 'tap' ? this.#tap(part.name, rows, shared) : this.#runBlocks(part, rows, shared)
  }

  /** Rows of the prompt that the blocks take. */
  #carriedOf(rows: Rows): Rows {
    return Object.fromEntries(Object.entries(rows).filter(([name]) => this.#design.carried.includes(name)))
  }

  async #runBlocks({ from, to, modules }: BlocksPart, rows: Rows, shared: Rows): Promise<Rows> {
    const { name, carried, constants = [], skips } = this.#design
    const given = skips ? { ...skips.stand(from, rows), ...rows } : rows
    const names = [...carried, ...(skips?.at(from) ?? [])]
    const missing = names.filter((row) => !(row in given))
    if (missing.length > 0) throw new Error(`${name}: rows without ${missing.join(', ')}`)
    const [own, fixed] = [pick(given, names), pick(shared, constants)]
    if (modules) return this.#runPlan([from, to], modules, own, rows, fixed)
    const made = await (this.#blocks
      ? this.#blocks.run([from, to], own, fixed)
      : (await this.#withBranches()).plain([from, to], own, fixed))
    return skips
      ? { ...without(given, skips.at(from)), ...pick(made, [...carried, ...skips.at(to)]) }
      : { ...rows, ...made }
  }

  /** The rows without what the plan gave, image and text renewed, and what it emits. */
  async #runPlan(range: Range, modules: ModuleShape, own: Rows, rows: Rows, fixed: Rows): Promise<Rows> {
    const made = await (await this.#withBranches()).run(range, modules, own, rows, fixed)
    const given = Object.keys(givenRows(modules, rows))
    const renewed = ['image', 'text', ...emittedRows(modules)].flatMap((name) =>
      made[name] ? [[name, made[name]]] : [],
    )
    return { ...without(rows, given), ...(Object.fromEntries(renewed) as Rows) }
  }

  async #withBranches(): Promise<ModuleBlocks> {
    const { name, modular: sizes, facts, carried, constants = [] } = this.#design
    if (!sizes) throw new Error(`${name}: its blocks run whole; modules cannot be given or taken out`)
    this.#modular ??= new ModuleBlocks(
      {
        ...{ name, sizes, depth: facts.depth, inputs: [...carried, ...constants] },
        graph: ([from, to], style) => this.#design.blocks(from, to, style),
      },
      this.#mode,
    )
    const plain = this.#blocks
    if (this.#mode === 'private' && plain) {
      this.#blocks = null
      await plain.release()
    }
    return this.#modular
  }

  async #tap(tap: string, rows: Rows, shared: Rows): Promise<Rows> {
    const row = this.#design.readable.includes(tap) ? rows[tap] : undefined
    if (row) return { [tap]: row }
    const [session, part] = [this.#taps.get(tap), this.#design.taps[tap]]
    if (!session || !part)
      throw new Error(`${this.#design.name}: no tap '${tap}'; it has ${[...this.facts.taps].join(', ')}`)
    return session.run(part.feeds(rows, shared))
  }

  async release(): Promise<void> {
    this.#released = true
    for (const session of [this.#text, this.#embed, this.#head, ...this.#taps.values()]) await session?.release()
    await this.#blocks?.release()
    await this.#modular?.release()
  }
}

/** A session that is handed more than it takes. */
const narrowed = (session: Session, inputs: readonly string[]): Session => ({
  run: (feeds, wanted) =>
    session.run(Object.fromEntries(inputs.flatMap((name) => (feeds[name] ? [[name, feeds[name]]] : []))), wanted),
  release: () => session.release(),
  ...(session.weightBytes === undefined ? {} : { weightBytes: session.weightBytes }),
})

const without = (rows: Rows, names: readonly string[]): Rows =>
  Object.fromEntries(Object.entries(rows).filter(([name]) => !names.includes(name)))

/** The rows named; throws, naming all that are missing. */
export function pick<K extends string>(rows: Rows, names: readonly K[]): Record<K, Rows[string]> {
  const missing = names.filter((name) => !(name in rows))
  if (missing.length > 0) throw new Error(`rows without ${missing.join(', ')}`)
  return Object.fromEntries(names.map((name) => [name, rows[name]!])) as Record<K, Rows[string]>
}
