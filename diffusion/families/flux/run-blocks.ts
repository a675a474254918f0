/** The blocks of a FLUX transformer on ONNX Runtime: plain, and by module plans, with no weight held twice. */
import { openSession, type Session, type WeightMode } from '../../onnx/session.ts'
import { Segments } from '../../onnx/segments.ts'
import type { ModuleShape, Part, Rows } from '../contract.ts'
import { blocksGraph, type BlocksStyle } from './blocks.ts'
import { GivenBlocks, isGiven } from './given.ts'
import type { FluxParts } from './layers.ts'
import type { ModulationSource } from './modulation.ts'
import { emittedRows, givenRows, moduleRoutes, moduleSession, type Range } from '../shared/module-routes.ts'

type BlocksPart = Part & { readonly kind: 'blocks' }

/**
 * Mapped weights are read where they are used: what a run skips is never read. Private ones are there anyway, and modulations made for
 * many noise levels at once take a small part of the time of as many products with one row.
 */
export const modulationSource = (mode: WeightMode): ModulationSource => (mode === 'private' ? 'mods' : 'temb')

/**
 * Plans need graphs with branches, which cost plain runs a little. Mapped weights are shared by all sessions, so both kinds of graph may be
 * open. Private ones are not: from the first plan on, the graphs with branches serve plain runs too, with the same bits.
 */
export class FluxBlocks {
  readonly #parts: FluxParts
  readonly #mode: WeightMode
  readonly #name: string
  readonly #source: ModulationSource
  readonly #given: GivenBlocks
  #plain: Segments | null
  #modular: Segments | null = null

  /** `name` stands in front of errors. */
  constructor(parts: FluxParts, mode: WeightMode, name: string) {
    this.#parts = parts
    this.#mode = mode
    this.#name = name
    this.#source = modulationSource(mode)
    this.#given = new GivenBlocks(parts.config, mode, name)
    this.#plain = this.#segments((range) => this.#openPlain(range))
  }

  /** Rows image, text, mods or temb, shared cos, sin and what the plan of `part` names; gives the rows with image and text renewed, and what it emits. */
  async run(part: BlocksPart, rows: Rows, shared: Rows): Promise<Rows> {
    const { image, text, ...rest } = rows as Rows & Record<'image' | 'text', Rows[string]>
    const modulation = { [this.#source]: rest[this.#source]! }
    const { cos, sin } = shared as Record<'cos' | 'sin', Rows[string]>
    const range: Range = [part.from, part.to]
    const constants = { cos, sin }
    const { modules } = part
    if (!modules) {
      const segments = this.#plain ?? (await this.#withBranches())
      const out = await segments.run(range, { image, text, ...modulation }, constants)
      return { ...rest, ...out }
    }
    const given = givenRows(modules, rows)
    const emitted = emittedRows(modules)
    const segments = await this.#withBranches()
    let out: Rows = { image, text, ...modulation, ...given }
    for (const { range: piece, added } of this.#pieces(range, modules))
      out = { ...out, ...(await (added ? this.#given.run(piece, out) : segments.run(piece, out, constants, emitted))) }
    const others = Object.entries(rest).filter(([name]) => !(name in given))
    const renewed = ['image', 'text', ...emitted].flatMap((name) => (out[name] ? [[name, out[name]]] : []))
    return Object.fromEntries([...others, ...renewed]) as Rows
  }

  /** A range as pieces of which nothing is left but to add what is given, and others. Where gates come from weights, such a piece needs those. */
  #pieces([from, to]: Range, modules: ModuleShape): readonly { readonly range: Range; readonly added: boolean }[] {
    const pieces: { range: Range; added: boolean }[] = []
    for (let block = from; block < to; block++) {
      const added = this.#source === 'mods' && isGiven(modules, block)
      const last = pieces.at(-1)
      if (last?.added === added) last.range = [last.range[0], block + 1]
      else pieces.push({ range: [block, block + 1], added })
    }
    return pieces
  }

  async release(): Promise<void> {
    await this.#given.release()
    await this.#plain?.release()
    await this.#modular?.release()
  }

  async #withBranches(): Promise<Segments> {
    this.#modular ??= this.#segments((range) => this.#openModular(range))
    if (this.#mode === 'private' && this.#plain) {
      const plain = this.#plain
      this.#plain = null
      await plain.release()
    }
    return this.#modular
  }

  #segments(open: (range: Range) => Promise<Session>): Segments {
    const { doubleBlocks, singleBlocks } = this.#parts.config
    return new Segments(doubleBlocks + singleBlocks, (from, to) => open([from, to]))
  }

  #openPlain(range: Range): Promise<Session> {
    const projection = this.#mode === 'private' ? 'apart' : 'together'
    const graph = blocksGraph(this.#parts, range, { projection, modulation: this.#source })
    return openSession(graph, this.#mode, `${this.#name}, blocks ${range[0]} to ${range[1]}`)
  }

  async #openModular(range: Range): Promise<Session> {
    const { config } = this.#parts
    const style: BlocksStyle = { projection: 'apart', modulation: this.#source }
    const graph = blocksGraph(this.#parts, range, style, (g, lengths) => moduleRoutes(g, lengths, range, config))
    const name = `${this.#name}, blocks ${range[0]} to ${range[1]} with branches`
    const always = ['image', 'text', this.#source, 'cos', 'sin']
    return moduleSession(await openSession(graph, this.#mode, name), range, config, always)
  }
}
