/** Parts of the engine by themselves: the registry, keys of the memo, the order of a plan, exact JSON. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { RunContext } from '../../nodes/define.ts'
import { invoke, joined } from '../../server/engine/call.ts'
import { fillPrefix, ConfinedFiles } from '../../server/engine/files.ts'
import { LiveGraph, walk } from '../../server/engine/graph.ts'
import { keysOf } from '../../server/engine/keys.ts'
import type { Prompt } from '../../server/engine/protocol.ts'
import { loadRegistry } from '../../server/engine/registry.ts'
import { Schedule } from '../../server/engine/schedule.ts'
import { parseExact, stringifyExact } from '../../server/json.ts'
import { chain, freshData, node, PACK, removeData } from './harness.ts'

const files = new ConfinedFiles({ input: '/nowhere', output: '/nowhere', temp: '/nowhere' })
const registry = await loadRegistry([PACK])

async function keys(prompt: Prompt) {
  return keysOf(prompt, walk(prompt, Object.keys(prompt)).order, registry, files)
}

describe('the registry', () => {
  it('takes every file of our own nodes and of the pack', () => {
    expect(registry.problems).toEqual([])
    expect(registry.nodes.get('KSampler')?.module).toBe('nodes')
    expect(registry.nodes.get('TestConst')?.module).toBe('custom_nodes.basic')
    expect(registry.nodes.get('KSampler')?.heavy).toBe(true)
    expect(registry.nodes.get('TestSleep')?.heavy).toBe(false)
  })

  it('leaves out what breaks the rules, and says why', async () => {
    const pack = await freshData()
    const put = async (path: string, text: string) => {
      await mkdir(join(pack, path, '..'), { recursive: true })
      await writeFile(join(pack, path), text)
    }
    const define = (type: string, category: string) =>
      `export default { type: '${type}', category: '${category}', help: '', inputs: {}, outputs: {}, run: () => ({}) }`
    await put('one/good-node.js', define('GoodNode', 'one'))
    await put('one/misnamed.js', define('Other', 'one'))
    await put('one/moved.js', define('Moved', 'two'))
    await put('one/k-sampler.js', define('KSampler', 'one'))
    await put('one/empty.js', 'export const nothing = 1')
    await put('one/broken.js', 'export default {')
    await put('one/helpers/not-a-node.js', 'export const helper = 1')
    const { nodes, problems } = await loadRegistry([pack, join(pack, 'missing')])
    expect(nodes.has('GoodNode')).toBe(true)
    expect(problems).toHaveLength(6)
    for (const part of [
      "'other.ts'",
      "its folder 'one'",
      'exists already',
      'no node',
      'cannot be loaded',
      'does not exist',
    ])
      expect(problems.join('\n')).toContain(part)
    await removeData(pack)
  })
})

describe('memo keys', () => {
  it('do not depend on ids, and change with every literal, link and slot above', async () => {
    const base = await keys(chain(1))
    const renamed = await keys({
      a: node('TestConst', { value: 1 }),
      b: node('TestAdd', { a: ['a', 0], b: 1 }),
      c: node('TestShow', { value: ['b', 0] }),
    })
    expect([...renamed.values()]).toEqual([...base.values()])
    const changed = await keys(chain(2))
    for (const id of ['1', '2', '3']) expect(changed.get(id)).not.toBe(base.get(id))
    const swapped = await keys({ ...chain(1), 2: node('TestAdd', { a: 1, b: ['1', 0] }) })
    expect(swapped.get('1')).toBe(base.get('1'))
    expect(swapped.get('2')).not.toBe(base.get('2'))
  })

  it('tell the outputs of a node apart', async () => {
    const from = (slot: number) => ({
      1: node('CheckpointLoaderSimple', { ckpt_name: 'x' }),
      2: node('TestShow', { value: ['1', slot] }),
    })
    expect((await keys(from(0))).get('2')).not.toBe((await keys(from(1))).get('2'))
  })

  it('tell a number from its text, and take no node that wants its id for another', async () => {
    const save = (noise_seed: unknown) => ({
      ...chain(1),
      4: node('TestSave', { value: ['2', 0], noise_seed, filename_prefix: 'x' }),
    })
    const of = async (value: unknown) => (await keys(save(value))).get('4')
    expect(await of(5n)).not.toBe(await of('5n'))
    expect(await of(5)).not.toBe(await of('5'))
    const twins = await keys({ ...save(5), 5: save(5)[4] })
    expect(twins.get('4')).not.toBe(twins.get('5'))
  })

  it('of a node whose file cannot be read never hold', async () => {
    const prompt = { 1: node('LoadImage', { image: 'missing.png' }) }
    expect((await keys(prompt)).get('1')).not.toBe((await keys(prompt)).get('1'))
  })
})

describe('calling a node', () => {
  const lists: Record<string, unknown[]> = { many: [1, 2, 3], one: [10], none: [] }
  const call = async (type: string, inputs: Readonly<Record<string, unknown>>, extraData = {}) => {
    const resultOf = (from: string) => ({ outputs: [lists[from] ?? []], ui: undefined })
    const job = { promptId: 'p', prompt: {}, outputs: [], extraData }
    const registered = registry.nodes.get(type)!
    const context = { signal: new AbortController().signal } as RunContext
    const graph = new LiveGraph({})
    const site = { id: 'x', node: node(type, inputs), registered, graph, job, lists: () => [], resultOf }
    return joined(await invoke(site, () => context), site)
  }

  it('runs once per element, shorter lists repeating their last, and joins what it shows', async () => {
    expect((await call('TestAdd', { a: ['many', 0], b: 5 })).outputs).toEqual([[6, 7, 8]])
    expect((await call('TestAdd', { a: ['many', 0], b: ['one', 0] })).outputs).toEqual([[11, 12, 13]])
    expect((await call('TestShow', { value: ['many', 0] })).ui).toEqual({ text: ['1', '2', '3'] })
  })

  it('refuses an empty list and a value that does not fit, naming the input', async () => {
    await expect(call('TestAdd', { a: ['none', 0], b: 5 })).rejects.toThrow(/input 'a'.*empty/)
    lists['text'] = ['abc']
    await expect(call('TestAdd', { a: 1, b: ['text', 0] })).rejects.toThrow(/input 'b'.*whole number/)
  })
})

describe('a plan', () => {
  const order = (prompt: Prompt, outputs: string[], cached: string[] = []) => {
    const taken: string[] = []
    const steps = new Schedule(prompt, registry, (id) => cached.includes(id) || taken.includes(id))
    steps.need(outputs)
    for (let id = steps.next(false); id !== undefined; id = steps.next(false)) {
      taken.push(id)
      steps.finish(id)
    }
    return taken
  }

  it('runs what shows something as early as it can, and nothing that no output needs', () => {
    const prompt = {
      ...chain(1),
      4: node('TestAdd', { a: ['1', 0], b: 2 }),
      5: node('TestAdd', { a: ['4', 0], b: 2 }),
      6: node('TestAdd', { a: ['5', 0], b: 2 }),
      7: node('TestShow', { value: ['6', 0] }),
      8: node('TestConst', { value: 9 }),
    }
    expect(order(prompt, ['3', '7'])).toEqual(['1', '2', '3', '4', '5', '6', '7'])
    expect(order(prompt, ['3', '7'], ['5'])).toEqual(['6', '7', '1', '2', '3'])
    expect(order(prompt, ['3'], ['2'])).toEqual(['3'])
  })

  it('every order keeps parents before children (property)', () => {
    const graphs = fc.array(fc.array(fc.nat(30), { maxLength: 3 }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(graphs, (parents) => {
        const prompt = Object.fromEntries(
          parents.map((list, id) => [
            `n${id}`,
            node(
              'TestAdd',
              Object.fromEntries(list.filter((p) => p < id).map((p, i) => [i === 0 ? 'a' : 'b', [`n${p}`, 0]])),
            ),
          ]),
        )
        const taken = order(prompt, Object.keys(prompt))
        expect(taken).toHaveLength(parents.length)
        for (const [id, { inputs }] of Object.entries(prompt))
          for (const [from] of Object.values(inputs) as [string, number][])
            expect(taken.indexOf(from)).toBeLessThan(taken.indexOf(id))
      }),
    )
  })
})

describe('exact JSON', () => {
  it('keeps integers beyond 2^53 and everything else as JSON has it (property)', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map((n) => (Number.isSafeInteger(Number(n)) ? Number(n) : n)),
        fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Object.is(n, -0) && !Number.isInteger(n)),
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('any')),
        fc.dictionary(
          fc.string().filter((key) => key !== '__proto__'),
          tie('any'),
          { noNullPrototype: true },
        ),
      ),
    })).any
    fc.assert(
      fc.property(value, (one) => {
        expect(parseExact(stringifyExact(one))).toEqual(one)
      }),
    )
  })

  it('leaves digits in texts, fractions and exponents alone', () => {
    const text =
      '{"a":"12345678901234567890","b":0.12345678901234567890,"c":12345678901234567890,"d":1e400,"e\\"9":-9223372036854775808}'
    expect(parseExact(text)).toEqual({
      a: '12345678901234567890',
      b: 0.12345678901234568,
      c: 12345678901234567890n,
      d: Infinity,
      'e"9': -9223372036854775808n,
    })
  })

  it('is quick with hostile texts', () => {
    for (const text of [
      `"${'\\"'.repeat(200_000)}"`,
      '"'.repeat(50_000),
      `[${'9'.repeat(50_000)}]`,
      '[1e1,'.repeat(50_000),
    ]) {
      const started = Date.now()
      try {
        parseExact(text)
      } catch (error) {
        expect(error).toBeInstanceOf(SyntaxError)
      }
      expect(Date.now() - started).toBeLessThan(500)
    }
  })
})

it('prefixes are filled with sizes and dates, and other percent signs stay', () => {
  const size = { width: 640, height: 480, batchNumber: 3 }
  const date = new Date(2026, 0, 2, 3, 4, 5)
  expect(fillPrefix('%year%-%month%-%day%/%hour%%minute%%second%_%width%x%height%_%batch_num%', size, date)).toBe(
    '2026-01-02/030405_640x480_3',
  )
  expect(fillPrefix('100% %unknown% %constructor%', size, date)).toBe('100% %unknown% %constructor%')
})
