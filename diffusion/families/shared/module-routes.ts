/** Blocks whose modules are run or answered from outside, by one session whatever the plan: weights are held once. */
import { MASS, moduleKey, type ModuleKey } from '../../caching/contract.ts'
import type { Graph, Value } from '../../onnx/graph.ts'
import type { Feed, Session } from '../../onnx/session.ts'
import type { Tensor } from '../../tensor.ts'
import type { ModuleShape, Rows } from '../contract.ts'
import type { Route, Site } from './sites.ts'

const KINDS = ['attn', 'mlp'] as const
/** What the graph is told of a module: where its output comes from, and whether it is to be given back. */
const RUN = 0
const GIVEN = 1
const REFRESHED = 2
/** Numbers that the graph is told of each module. */
const MODES = 3

export type Range = readonly [from: number, to: number]

/** Keys of the modules of blocks [from, to), in the order of the graph's `modes`. */
const keysOf = ([from, to]: Range): readonly ModuleKey[] =>
  Array.from({ length: to - from }, (_, i) => KINDS.map((kind) => moduleKey(kind, from + i))).flat()

export const rowNames = (key: ModuleKey) => ({ image: `${key}.image`, text: `${key}.text`, tokens: `${key}.tokens` })

/**
 * Routes of a graph over blocks [from, to): `modes` [modules, 3] (int64) says of each module whether it is run, given or refreshed,
 * whether it is emitted, and whether what its tokens receive of attention is. A branch that is not taken computes nothing. Given outputs are inputs '<key>.image' [B, T, width] and
 * '<key>.text', tokens to refresh '<key>.tokens' (int64, places in the flattened batch); emitted outputs have the names of the first two.
 */
export function moduleRoutes(g: Graph, lengths: Value, range: Range, { width, heads, imageOnly }: Sizes): Route {
  const modes = g.input('modes', [MODES * keysOf(range).length], 'i64')
  const places = new Map(keysOf(range).map((key, i) => [key, MODES * i]))
  const told = (place: number, value: number): Value =>
    g.op('Equal', [g.op('Gather', [modes, g.ints([place])]), g.ints([value])])

  const givenTo = ({ key, joined }: Site): (() => readonly Value[]) => {
    const names = rowNames(key)
    const input = (name: string): Value => g.input(name, [`batch of ${key}`, name, width])
    const image = input(names.image)
    if (imageOnly) return () => [image]
    const text = input(names.text)
    return () => (joined ? [g.op('Concat', [text, image], { axis: 1 })] : [image, text])
  }

  const emit = ({ key, joined }: Site, place: number, output: readonly Value[]): void => {
    const nothing = g.constant([], [1, 0, width])
    const apart = (): readonly Value[] => {
      if (!joined) return output
      const [text, image] = g.ops('Split', [output[0]!, lengths], { axis: 1 }, 2) as [Value, Value]
      return [image, text]
    }
    const { image, text } = rowNames(key)
    const names = imageOnly ? [image] : [image, text]
    const emitted = g.branch(told(place + 1, 1), apart, () => names.map(() => nothing))
    for (const [i, name] of names.entries()) g.output(name, emitted[i]!, ['B', name, width])
  }

  return (site) => {
    const place = places.get(site.key)!
    const given = givenTo(site)
    const { run, refresh } = site
    const tokens = refresh ? g.input(rowNames(site.key).tokens, [rowNames(site.key).tokens], 'i64') : null
    const otherwise =
      refresh && tokens ? () => g.branch(told(place, REFRESHED), () => refresh(given(), tokens), given) : given
    if (imageOnly || !site.key.startsWith('attn')) {
      const output = g.branch(told(place, RUN), () => run(), otherwise)
      emit(site, place, output)
      return output
    }
    const noMass = g.constant([], [1, 0])
    const watched = (): readonly Value[] => {
      let mass: readonly Value[] = [noMass, noMass]
      const output = run((queries, keys) => {
        const received = () => g.ops('Split', [receivedAttention(g, queries, keys, heads), lengths], { axis: 1 }, 2)
        mass = g.branch(told(place + 2, 1), received, () => [noMass, noMass])
      })
      return [...output, ...mass]
    }
    const answers = g.branch(told(place, RUN), watched, () => [...otherwise(), noMass, noMass])
    const [output, [textMass, imageMass]] = [answers.slice(0, -2), answers.slice(-2) as [Value, Value]]
    const mass = rowNames(moduleKey(MASS, Number(site.key.split('.')[1])))
    g.output(mass.image, imageMass, ['B', mass.image])
    g.output(mass.text, textMass, ['B', mass.text])
    emit(site, place, output)
    return output
  }
}

/**
 * What every token receives of an attention [B, tokens]: the columns of softmax(q k^T / sqrt(size)) summed over the queries, mean of the
 * heads. Holds the whole matrix of scores, which the attention itself never does.
 */
function receivedAttention(g: Graph, queries: Value, keys: Value, heads: number): Value {
  const byHead = (value: Value, perm: readonly number[]): Value =>
    g.op('Transpose', [g.op('Reshape', [value, g.ints([0, 0, heads, -1])])], { perm })
  const q = byHead(queries, [0, 2, 1, 3])
  const size = g.toFloat(g.op('Shape', [q], { start: 3, end: 4 }))
  const scores = g.op('Div', [g.op('MatMul', [q, byHead(keys, [0, 2, 3, 1])]), g.op('Sqrt', [size])])
  const received = g.op('ReduceSum', [g.op('Softmax', [scores], { axis: -1 }), g.ints([1, 2])], { keepdims: 0 })
  return g.op('Div', [received, g.constant([heads])])
}

/** Places in a flattened batch of the image tokens that each row lists ([B, count]); `offset` tokens precede the image's in a row of `length`. */
function flatPlaces({ data, shape }: Tensor, offset: number, length: number): Feed {
  const count = shape[1] ?? 0
  const places = Array.from(data, (token, i) => BigInt(Math.floor(i / count) * length + offset + token))
  return { data: BigInt64Array.from(places), shape: [places.length] }
}

/** Zeros in the shape of these tokens: the given output of a module that adds nothing. */
function zerosLike(): (tokens: Tensor) => Tensor {
  let zeros: Tensor | null = null
  return ({ data, shape }) =>
    (zeros = zeros?.data.length === data.length ? { ...zeros, shape } : { data: new Float32Array(data.length), shape })
}

/** Which of the outputs named are emitted by a session over this range. */
const emittedIn = (wanted: readonly string[], range: Range): readonly string[] => {
  const masses = Array.from({ length: range[1] - range[0] }, (_, i) => moduleKey(MASS, range[0] + i))
  const own = new Set([...keysOf(range), ...masses].flatMap((key) => [rowNames(key).image, rowNames(key).text]))
  return wanted.filter((name) => own.has(name))
}

/**
 * A session over blocks [from, to) with the routes above, as one that takes the tokens, what its blocks share, the given outputs of any blocks and the lists of
 * tokens as they come ([B, count]); `always` names the feeds that have nothing to do with plans. It gives image, text and what is `wanted` of its own blocks.
 */
export function moduleSession(
  session: Session,
  range: Range,
  { width, doubleBlocks, imageOnly }: Sizes,
  always: readonly string[],
): Session {
  const keys = keysOf(range)
  const absent: Feed = { data: new Float32Array(0), shape: [1, 0, width] }
  const none: Feed = { data: new BigInt64Array(0), shape: [0] }
  const nothing = zerosLike()
  return {
    ...(session.weightBytes === undefined ? {} : { weightBytes: session.weightBytes }),
    release: () => session.release(),
    async run(feeds, wanted = []) {
      const { image, text } = feeds as Readonly<Partial<Record<string, Tensor>>>
      const [images, texts] = [image!.shape[1] ?? 0, text?.shape[1] ?? 0]
      const emitted = emittedIn(wanted, range).filter((name) => !imageOnly || name.endsWith('.image'))
      const modes = new BigInt64Array(MODES * keys.length)
      const more: Record<string, Feed> = { modes: { data: modes, shape: [modes.length] } }
      for (const [i, key] of keys.entries()) {
        const names = rowNames(key)
        const tokens = feeds[names.tokens] as Tensor | undefined
        modes[MODES * i] = BigInt(tokens ? REFRESHED : names.image in feeds ? GIVEN : RUN)
        modes[MODES * i + 1] = BigInt(emitted.includes(names.image) ? 1 : 0)
        const mass = rowNames(moduleKey(MASS, Number(key.split('.')[1]))).image
        modes[MODES * i + 2] = BigInt(emitted.includes(mass) ? 1 : 0)
        more[names.image] = feeds[names.image] ?? absent
        if (!imageOnly) more[names.text] = feeds[names.text] ?? (names.image in feeds ? nothing(text!) : absent)
        if (!key.startsWith('mlp')) continue
        const joined = Number(key.split('.')[1]) >= doubleBlocks
        more[names.tokens] = tokens ? flatPlaces(tokens, joined ? texts : 0, images + (joined ? texts : 0)) : none
      }
      const fixed = Object.fromEntries([...always].map((name) => [name, feeds[name]!]))
      return session.run({ ...fixed, ...more }, [...(imageOnly ? ['image'] : ['image', 'text']), ...emitted])
    },
  }
}

/** What routes need to know of a model. */
export interface Sizes {
  readonly width: number
  readonly heads: number
  /** Blocks before the first whose tokens are joined. */
  readonly doubleBlocks: number
  /** Where blocks pass image tokens alone: modules have no text, and what tokens receive of attention is not to be seen. */
  readonly imageOnly?: true
}

/** Names of the rows that a shape's emitted outputs come back under. */
export const emittedRows = ({ emitted, textless }: Pick<ModuleShape, 'emitted' | 'textless'>): readonly string[] =>
  emitted.flatMap((key) => [rowNames(key).image, ...(textless ? [] : [rowNames(key).text])])

/** The rows of given outputs and lists of tokens. */
export function givenRows({ given, refreshed, textless }: ModuleShape, rows: Rows): Rows {
  const names = given.flatMap((key) => {
    const { image, text, tokens } = rowNames(key)
    return [image, ...('text' in rows && !textless ? [text] : []), ...(refreshed[key] === undefined ? [] : [tokens])]
  })
  const missing = names.filter((name) => !rows[name])
  if (missing.length > 0) throw new Error(`rows without ${missing.join(', ')}`)
  return Object.fromEntries(names.map((name) => [name, rows[name]!]))
}
