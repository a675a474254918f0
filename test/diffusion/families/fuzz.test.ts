/** Ten thousand broken headers, files, configurations and tokenizers: each is refused with an error or read, at once, and nothing is allocated by its word. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Family, Json } from '../../../diffusion/families/family.ts'
import { loadAutoencoderKinds, loadEncoderKinds, loadFamilies } from '../../../diffusion/families/registry.ts'
import { clipTokenizerJson } from '../../../diffusion/families/text/clip-tokenizer.ts'
import { findEncoders } from '../../../diffusion/families/text/find.ts'
import { sentencePieceJson } from '../../../diffusion/families/text/sentencepiece.ts'
import { TextTokenizer } from '../../../diffusion/families/text/text-tokenizer.ts'
import type { AutoencoderKind } from '../../../diffusion/families/vae/kind.ts'
import { headerLength, parseHeader, SafetensorsError } from '../../../diffusion/onnx/safetensors.ts'
import { withScales } from '../../../diffusion/onnx/scales.ts'
import { openWeights, type Weights } from '../../../diffusion/onnx/weights.ts'
import { encodeSafetensors } from '../onnx/encode-safetensors.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')
const CASES = ['flux-schnell-a', 'sd3-a', 'pixart-sigma-a', 'dit-a', 'vae-kl16-a', 'clip-g-a', 't5-v11-a']
/** Most bytes that reading a broken input may add to the heap, and most milliseconds it may take. */
const [HEAP, TIME] = [64 * 2 ** 20, 5000]

/** Values that break counts, shapes and offsets. */
const NASTY: readonly unknown[] = [
  0,
  -1,
  0.5,
  2 ** 31,
  2 ** 53,
  1e300,
  NaN,
  null,
  true,
  '',
  'F32',
  [],
  {},
  [1e9, 1e9],
  '__proto__',
]
const nasty = fc.constantFrom(...NASTY)

/** A step into a value: the same for any value, by the remainder. */
function mutated(value: unknown, path: readonly number[], by: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined || typeof value !== 'object' || value === null) return by
  if (Array.isArray(value)) {
    if (value.length === 0) return by
    return value.map((item, i) => (i === step % value.length ? mutated(item, rest, by) : (item as unknown)))
  }
  const entries = Object.entries(value)
  if (entries.length === 0) return by
  return Object.fromEntries(
    entries.map(([key, item], i) => [key, i === step % entries.length ? mutated(item, rest, by) : (item as unknown)]),
  )
}
const path = (depth: number) => fc.array(fc.nat(10_000), { minLength: 1, maxLength: depth })

/** Runs `read`; what it throws must be an error that was meant, and neither time nor memory may run away. */
function survives(read: () => unknown): void {
  const [heap, start] = [process.memoryUsage().heapUsed, performance.now()]
  try {
    read()
  } catch (error) {
    expect(error).toBeInstanceOf(Error)
    expect((error as Error).message).not.toMatch(
      /Invalid array length|call stack|out of memory|Cannot read|is not a function|not iterable/,
    )
  }
  expect(performance.now() - start).toBeLessThan(TIME)
  expect(process.memoryUsage().heapUsed - heap).toBeLessThan(HEAP)
}

interface Header {
  readonly json: Json
  readonly config: Json
  /** The first few tensors alone, whose data take `bytes`. */
  readonly few: Json
  readonly bytes: number
}
type Entry = { readonly data_offsets: readonly [number, number] }
const FEW = 6
let root: string
let headers: readonly Header[]
let families: readonly Family[]
let autoencoders: readonly AutoencoderKind[]
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fuzz-'))
  families = await loadFamilies()
  autoencoders = await loadAutoencoderKinds()
  await loadEncoderKinds()
  const read = async (name: string) => {
    const config = JSON.parse(await readFile(join(fixtures, name, 'config.json'), 'utf8')) as Json
    const file = await readFile(join(fixtures, name, 'diffusion_pytorch_model.safetensors')).catch(() =>
      readFile(join(fixtures, name, 'model.safetensors')),
    )
    const length = Number(file.readBigUInt64LE(0))
    const json = JSON.parse(file.toString('utf8', 8, 8 + length)) as Json
    const entries = Object.entries(json).filter(([key]) => key !== '__metadata__') as [string, Entry][]
    const few = entries.sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]).slice(0, FEW)
    return { config, json, few: Object.fromEntries(few), bytes: few.at(-1)![1].data_offsets[1] }
  }
  headers = await Promise.all(CASES.map(read))
})
afterAll(() => rm(root, { recursive: true }))

/** The weights that a header tells of, as far as it can be read. */
function weightsOf(json: unknown, data: number, asText: (text: string) => string = (text) => text): Weights {
  const bytes = new TextEncoder().encode(asText(JSON.stringify(json)))
  const prefix = new Uint8Array(BigUint64Array.of(BigInt(bytes.length)).buffer)
  const size = 8 + bytes.length + data
  headerLength(prefix, size, 'x')
  const entries = parseHeader(bytes, size, 'x')
  return {
    where: 'x',
    tensors: withScales(new Map([...entries].map(([name, entry]) => [name, { ...entry, name, file: '/x' }]))),
  }
}

describe('broken safetensors', () => {
  const which = fc.nat(CASES.length - 1)

  it('headers with wrong values', () => {
    const runs = fc.property(which, path(3), nasty, (index, steps, by) => {
      const { few, bytes } = headers[index]!
      survives(() => weightsOf(mutated(few, steps, by), bytes))
    })
    fc.assert(runs, { numRuns: 5000 })
  })

  it('headers with wrong characters', () => {
    const runs = fc.property(which, fc.nat(100_000), fc.string({ maxLength: 3 }), (index, at, by) => {
      const { few, bytes } = headers[index]!
      survives(() =>
        weightsOf(few, bytes, (text) => text.slice(0, at % text.length) + by + text.slice((at % text.length) + 1)),
      )
    })
    fc.assert(runs, { numRuns: 3000 })
  })

  it('files with wrong bytes, cut short or longer', async () => {
    const whole = encodeSafetensors({ a: { shape: [2, 2], data: [1, 2, 3, 4] }, b: { shape: [1], data: [5] } })
    const file = join(root, 'broken.safetensors')
    const change = fc.tuple(fc.nat(whole.length - 1), fc.nat(255))
    const runs = fc.asyncProperty(
      fc.array(change, { maxLength: 4 }),
      fc.nat(whole.length + 8),
      async (changes, length) => {
        const bytes = new Uint8Array(length)
        bytes.set(whole.subarray(0, length))
        for (const [at, byte] of changes) if (at < length) bytes[at] = byte
        await writeFile(file, bytes)
        const opened = await openWeights(file).catch((error: unknown) => error)
        if (opened instanceof Error) expect(opened).toBeInstanceOf(SafetensorsError)
        else
          for (const stored of (opened as Weights).tensors.values())
            expect(stored.offset + stored.length).toBeLessThanOrEqual(length)
      },
    )
    await fc.assert(runs, { numRuns: 500 })
  })
})

describe('whole headers of wrong models', () => {
  /** Tensors left out, given twice the rows, or under other names. */
  const changes = fc.array(fc.tuple(fc.nat(10_000), fc.constantFrom('drop', 'grow', 'rename', 'flat')), {
    minLength: 1,
    maxLength: 5,
  })

  function altered(json: Json, list: readonly (readonly [number, string])[]): Weights['tensors'] {
    const names = Object.keys(json).filter((name) => name !== '__metadata__')
    const by = new Map(list.map(([at, what]) => [names[at % names.length]!, what]))
    return new Map(
      names.flatMap((name) => {
        const { dtype, shape } = json[name] as { dtype: 'F32'; shape: number[] }
        const what = by.get(name)
        if (what === 'drop') return []
        const sized =
          what === 'grow' ? shape.map((n) => 3 * n) : what === 'flat' ? [shape.reduce((a, b) => a * b, 1)] : shape
        const key = what === 'rename' ? `model.diffusion_model.${name}` : name
        return [
          [
            key,
            { dtype, shape: sized, offset: 0, length: 4 * sized.reduce((a, b) => a * b, 1), name: key, file: '/x' },
          ],
        ]
      }),
    )
  }

  it('are recognised or not, by families, autoencoders and text encoders', async () => {
    const runs = fc.asyncProperty(fc.nat(CASES.length - 1), changes, fc.boolean(), async (index, list, told) => {
      const { json, config } = headers[index]!
      const weights = { where: 'x', tensors: altered(json, list) }
      survives(() => families.map((family) => family.fits(weights, told ? config : null)))
      survives(() => autoencoders.map((kind) => kind.open(weights, null)))
      await findEncoders(weights)
    })
    await fc.assert(runs, { numRuns: 60 })
  })

  it('with wrong configurations beside them', () => {
    const runs = fc.property(fc.nat(CASES.length - 1), path(2), nasty, (index, steps, by) => {
      const { json, config } = headers[index]!
      const changed = mutated(config, steps, by)
      if (typeof changed !== 'object' || changed === null || Array.isArray(changed)) return
      const weights = { where: 'x', tensors: altered(json, []) }
      survives(() => families.map((family) => family.fits(weights, changed as Json)))
      survives(() => autoencoders.map((kind) => kind.open(weights, changed as Json)))
    })
    fc.assert(runs, { numRuns: 140 })
  })
})

describe('broken tokenizers', () => {
  const letters = Object.fromEntries(
    ['a', 'b', 'a</w>', 'b</w>', 'ab</w>', '<|startoftext|>', '<|endoftext|>'].map((t, i) => [t, i]),
  )
  const whole = clipTokenizerJson(letters, '#version: 0.2\na b</w>\n')

  it('definitions with wrong values', () => {
    const runs = fc.property(path(5), nasty, (steps, by) => {
      const changed = mutated(whole, steps, by)
      try {
        new TextTokenizer(changed as Json, {}, 8, 'x').encode('ab a')
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    })
    fc.assert(runs, { numRuns: 300 })
  })

  it('ids that would fill the memory', () => {
    for (const vocab of [[1e9, 1e9], { a: 1e9 }, { a: -1 }, { a: 'b' }]) {
      const model = { ...(whole['model'] as object), vocab }
      expect(() => new TextTokenizer({ ...whole, model }, {}, 8, 'x')).toThrow(/^x: .*(token ids|pieces with scores)/)
    }
  })

  it('SentencePiece models of any bytes', () => {
    const piece = (text: string, kind: number) => {
      const name = new TextEncoder().encode(text)
      const body = [0x0a, name.length, ...name, 0x15, 0, 0, 0x80, 0xbf, 0x18, kind]
      return [0x0a, body.length, ...body]
    }
    const model = Uint8Array.from([
      ...piece('<pad>', 3),
      ...piece('</s>', 3),
      ...piece('<unk>', 2),
      ...piece('\u2581red', 1),
      ...piece('e', 1),
    ])
    expect(new TextTokenizer(sentencePieceJson(model), { pad_token: '<pad>' }, 5, 'x').encode('red red')).toEqual([
      3, 3, 1, 0, 0,
    ])
    const change = fc.tuple(fc.nat(model.length - 1), fc.nat(255))
    const runs = fc.property(fc.array(change, { maxLength: 3 }), fc.nat(model.length), (changes, length) => {
      const bytes = model.slice(0, length)
      for (const [at, byte] of changes) if (at < length) bytes[at] = byte
      survives(() => sentencePieceJson(bytes))
    })
    fc.assert(runs, { numRuns: 1000 })
  })
})
