/** Blocks of a FLUX transformer whose modules are run or answered from outside, by one session whatever the plan: weights are held once. */
import { moduleKey, type ModuleKey } from '../../caching/contract.ts'
import type { Graph, Value } from '../../onnx/graph.ts'
import type { Feed, Session } from '../../onnx/session.ts'
import type { Tensor } from '../../tensor.ts'
import type { ModuleShape, Rows } from '../contract.ts'
import type { Route, Shared, Site } from './blocks.ts'

const KINDS = ['attn', 'mlp'] as const
/** What the graph is told of a module: where its output comes from, and whether it is to be given back. */
const RUN = 0
const GIVEN = 1
const REFRESHED = 2

export type Range = readonly [from: number, to: number]

/** Keys of the modules of blocks [from, to), in the order of the graph's `modes`. */
const keysOf = ([from, to]: Range): readonly ModuleKey[] =>
  Array.from({ length: to - from }, (_, i) => KINDS.map((kind) => moduleKey(kind, from + i))).flat()

const rowNames = (key: ModuleKey) => ({ image: `${key}.image`, text: `${key}.text`, tokens: `${key}.tokens` })

/**
 * Routes of a graph over blocks [from, to): `modes` [modules, 2] (int64) says of each module whether it is run, given or refreshed, and
 * whether it is emitted. A branch that is not taken computes nothing. Given outputs are inputs '<key>.image' [B, T, width] and
 * '<key>.text', tokens to refresh '<key>.tokens' (int64, places in the flattened batch); emitted outputs have the names of the first two.
 */
export function moduleRoutes(g: Graph, { lengths }: Shared, range: Range, width: number): Route {
  const modes = g.input('modes', [2 * keysOf(range).length], 'i64')
  const places = new Map(keysOf(range).map((key, i) => [key, 2 * i]))
  const told = (place: number, value: number): Value =>
    g.op('Equal', [g.op('Gather', [modes, g.ints([place])]), g.ints([value])])

  const givenTo = ({ key, joined }: Site): (() => readonly Value[]) => {
    const names = rowNames(key)
    const [image, text] = [names.image, names.text].map((name) => g.input(name, [`batch of ${key}`, name, width]))
    return () => (joined ? [g.op('Concat', [text!, image!], { axis: 1 })] : [image!, text!])
  }

  const emit = ({ key, joined }: Site, place: number, output: readonly Value[]): void => {
    const nothing = g.constant([], [1, 0, width])
    const apart = (): readonly Value[] => {
      if (!joined) return output
      const [text, image] = g.ops('Split', [output[0]!, lengths], { axis: 1 }, 2) as [Value, Value]
      return [image, text]
    }
    const emitted = g.branch(told(place + 1, 1), apart, () => [nothing, nothing])
    const { image, text } = rowNames(key)
    for (const [i, name] of [image, text].entries()) g.output(name, emitted[i]!, ['B', name, width])
  }

  return (site) => {
    const place = places.get(site.key)!
    const given = givenTo(site)
    const { run, refresh } = site
    const tokens = refresh ? g.input(rowNames(site.key).tokens, [rowNames(site.key).tokens], 'i64') : null
    const otherwise =
      refresh && tokens ? () => g.branch(told(place, REFRESHED), () => refresh(given(), tokens), given) : given
    const output = g.branch(told(place, RUN), run, otherwise)
    emit(site, place, output)
    return output
  }
}

/** Places in a flattened batch of the image tokens that each row lists ([B, count]); `offset` tokens precede the image's in a row of `length`. */
function flatPlaces({ data, shape }: Tensor, offset: number, length: number): Feed {
  const count = shape[1] ?? 0
  const places = Array.from(data, (token, i) => BigInt(Math.floor(i / count) * length + offset + token))
  return { data: BigInt64Array.from(places), shape: [places.length] }
}

/** Which of the outputs named are emitted by a session over this range. */
const emittedIn = (wanted: readonly string[], range: Range): readonly string[] => {
  const own = new Set(keysOf(range).flatMap((key) => [rowNames(key).image, rowNames(key).text]))
  return wanted.filter((name) => own.has(name))
}

/**
 * A session over blocks [from, to) with the routes above, as one that takes the tokens, the given outputs of any blocks and the lists of
 * tokens as they come ([B, count]); it gives image, text and what is `wanted` of its own blocks.
 */
export function moduleSession(session: Session, range: Range, { width, doubleBlocks }: Sizes): Session {
  const keys = keysOf(range)
  const absent: Feed = { data: new Float32Array(0), shape: [1, 0, width] }
  const none: Feed = { data: new BigInt64Array(0), shape: [0] }
  return {
    release: () => session.release(),
    async run(feeds, wanted = []) {
      const { image, text, temb, cos, sin } = feeds as Readonly<Record<string, Tensor>>
      const [images, texts] = [image!.shape[1] ?? 0, text!.shape[1] ?? 0]
      const emitted = emittedIn(wanted, range)
      const modes = new BigInt64Array(2 * keys.length)
      const more: Record<string, Feed> = { modes: { data: modes, shape: [modes.length] } }
      for (const [i, key] of keys.entries()) {
        const names = rowNames(key)
        const tokens = feeds[names.tokens] as Tensor | undefined
        modes[2 * i] = BigInt(tokens ? REFRESHED : names.image in feeds ? GIVEN : RUN)
        modes[2 * i + 1] = BigInt(emitted.includes(names.image) ? 1 : 0)
        more[names.image] = feeds[names.image] ?? absent
        more[names.text] = feeds[names.text] ?? absent
        if (!key.startsWith('mlp')) continue
        const joined = Number(key.split('.')[1]) >= doubleBlocks
        more[names.tokens] = tokens ? flatPlaces(tokens, joined ? texts : 0, images + (joined ? texts : 0)) : none
      }
      const fixed = { image: image!, text: text!, temb: temb!, cos: cos!, sin: sin! }
      return session.run({ ...fixed, ...more }, ['image', 'text', ...emitted])
    },
  }
}

interface Sizes {
  readonly width: number
  readonly doubleBlocks: number
}

/** Names of the rows that a shape's emitted outputs come back under. */
export const emittedRows = ({ emitted }: ModuleShape): readonly string[] =>
  emitted.flatMap((key) => [rowNames(key).image, rowNames(key).text])

/** The rows of given outputs and lists of tokens. */
export function givenRows({ given, refreshed }: ModuleShape, rows: Rows): Rows {
  const names = given.flatMap((key) => {
    const { image, text, tokens } = rowNames(key)
    return [image, text, ...(refreshed[key] === undefined ? [] : [tokens])]
  })
  const missing = names.filter((name) => !rows[name])
  if (missing.length > 0) throw new Error(`rows without ${missing.join(', ')}`)
  return Object.fromEntries(names.map((name) => [name, rows[name]!]))
}
