/** Ranges of blocks all of whose modules are given: no product is left, only their gates, so they need no weights and no branches. */
import type { ModuleShape, Rows } from '../contract.ts'
import { moduleKey } from '../../caching/contract.ts'
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { openSession, type Session, type WeightMode } from '../../onnx/session.ts'
import type { FluxConfig } from './config.ts'
import { gated } from './layers.ts'
import { modsAt, modulationStart } from './modulation.ts'
import { emittedRows, rowNames, type Range } from '../shared/module-routes.ts'

type Name = 'image' | 'text'

/** Ranges whose sessions are kept; each is a few kilobytes. */
const KEPT = 16

/** Where the gates of the attention and of the feed-forward stand among a block's modulations; a single block has one for both. */
const gatesOf = ({ doubleBlocks }: FluxConfig, block: number, stream: Name): readonly [attn: number, mlp: number] =>
  block >= doubleBlocks ? [2, 2] : stream === 'image' ? [2, 5] : [8, 11]

/** Where the gates of blocks [from, to) lie among all modulations, each once. */
function gatePlaces(config: FluxConfig, [from, to]: Range, streams: readonly Name[]): readonly number[] {
  const blocks = Array.from({ length: to - from }, (_, i) => from + i)
  const all = blocks.flatMap((block) =>
    streams.flatMap((stream) => gatesOf(config, block, stream).map((gate) => modulationStart(config, block) + gate)),
  )
  return [...new Set(all)]
}

/** One stream through blocks [from, to) by what their modules gave it; gates as `Modulation` has them. */
function streamThrough(
  g: Graph,
  config: FluxConfig,
  [from, to]: Range,
  stream: Name,
  gate: (block: number, place: number) => Value,
): Value {
  const { doubleBlocks, width } = config
  let x = g.input(stream, ['B', stream, width])
  for (let block = from; block < to; block++) {
    const [attended, fed] = ['attn', 'mlp'].map((kind) =>
      g.input(rowNames(moduleKey(kind, block))[stream], ['B', stream, width]),
    ) as [Value, Value]
    const [attn, mlp] = gatesOf(config, block, stream)
    if (block >= doubleBlocks) x = gated(g, x, gate(block, attn), g.op('Add', [attended, fed]))
    else x = gated(g, gated(g, x, gate(block, attn), attended), gate(block, mlp), fed)
  }
  return x
}

/** `streams`, mods, '<key>.image' and, for text, '<key>.text' of every module of blocks [from, to) -> `streams`. */
function givenGraph(config: FluxConfig, range: Range, streams: readonly Name[]): Model {
  const g = new Graph()
  const places = gatePlaces(config, range, streams)
  const gates = modsAt(g, config, places)
  const gate = (block: number, place: number): Value => gates[places.indexOf(modulationStart(config, block) + place)]!
  for (const stream of streams)
    g.output(stream, streamThrough(g, config, range, stream, gate), ['B', stream, config.width])
  return g.build()
}

/** Whether a block of a plan is only added: both its outputs are given, none of its tokens are computed anew. */
export const isGiven = ({ given, refreshed }: ModuleShape, block: number): boolean =>
  ['attn', 'mlp'].every((kind) => {
    const key = moduleKey(kind, block)
    return given.includes(key) && refreshed[key] === undefined
  })

/** Runs such ranges; sessions open when first needed. */
export class GivenBlocks {
  readonly #config: FluxConfig
  readonly #mode: WeightMode
  readonly #name: string
  readonly #sessions = new Map<string, Session>()

  /** `name` stands in front of errors. */
  constructor(config: FluxConfig, mode: WeightMode, name: string) {
    this.#config = config
    this.#mode = mode
    this.#name = name
  }

  /** Rows image and text after blocks [from, to), from those before, mods, and the outputs of their modules; where these have no text, image alone. */
  async run(range: Range, rows: Rows): Promise<Rows> {
    const textless = !(rowNames(moduleKey('attn', range[0])).text in rows)
    const streams: readonly Name[] = textless ? ['image'] : ['image', 'text']
    const session = await this.#session(range, streams)
    const keys = Array.from({ length: range[1] - range[0] }, (_, i) => [
      moduleKey('attn', range[0] + i),
      moduleKey('mlp', range[0] + i),
    ]).flat()
    const names = [...streams, 'mods', ...emittedRows({ emitted: keys, ...(textless && { textless }) })]
    return session.run(Object.fromEntries(names.map((name) => [name, rows[name]!])))
  }

  async release(): Promise<void> {
    const open = [...this.#sessions.values()]
    this.#sessions.clear()
    for (const session of open) await session.release()
  }

  async #session(range: Range, streams: readonly Name[]): Promise<Session> {
    const key = `${String(range)} ${String(streams)}`
    const session =
      this.#sessions.get(key) ??
      (await openSession(
        givenGraph(this.#config, range, streams),
        this.#mode,
        `${this.#name}, blocks ${range[0]} to ${range[1]} given`,
        'small',
      ))
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    for (const [oldest, unused] of [...this.#sessions].slice(0, -KEPT)) {
      this.#sessions.delete(oldest)
      await unused.release()
    }
    return session
  }
}
