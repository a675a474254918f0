/** The denoiser joins what is asked at the same time into one run, accounts for it, and stops at once when it must. */
import { describe, expect, it } from 'vitest'
import { configure } from '../../diffusion/caching/contract.ts'
import { nothingSpent } from '../../diffusion/accounting.ts'
import { openDenoiser } from '../../diffusion/denoiser.ts'
import { CoalescingQueue, InterruptedError, joinRows } from '../../diffusion/coalescing.ts'
import type { Conditioning } from '../../diffusion/families/contract.ts'
import { normalNoise } from '../../diffusion/random.ts'
import { row, tensor } from '../../diffusion/tensor.ts'
import { dicache } from '../../nodes/caching/dicache.ts'
import { FAKE_LATENT, fakeConditioning, fakeTransformer } from '../fixtures/fake-model.ts'
import { callAt, knobs } from '../nodes/caching/scripted.ts'
import { decisions, runFake } from './caching/run.ts'

const shapes = (transformer: ReturnType<typeof fakeTransformer>) =>
  transformer.runs.map(({ part, rows }) =>
    part.kind === 'blocks' ? `${part.from}-${part.to} x${rows}` : `${part.kind} x${rows}`,
  )

describe('coalescing', () => {
  it('a plain evaluation is one embed, one run of all blocks and one head, for all samples and branches', async () => {
    const transformer = fakeTransformer()
    await runFake({ transformer, batch: 3, steps: 2 })
    expect(shapes(transformer)).toEqual(['embed x6', '0-8 x6', 'head x6', 'embed x6', '0-8 x6', 'head x6'])
  })

  it('rows that skip do not join, and wait at the head for those that compute', async () => {
    const transformer = fakeTransformer()
    const noise = normalNoise(5n, [2, ...FAKE_LATENT])
    noise.data.subarray(8).forEach((value, i, part) => (part[i] = value * 0.05))
    const cache = configure(dicache, { ...knobs, threshold: 0.15, warm_up: 0 })
    const result = await runFake({ transformer, batch: 2, noise, cache, guidance: 1 })
    const [first, second] = [decisions(result, 0), decisions(result, 1)]
    const expected = Array.from(first).flatMap((letter, i) => {
      const computing = [letter, second[i]].filter((one) => one === 'C').length
      return ['embed x2', '0-1 x2', ...(computing > 0 ? [`1-8 x${computing}`] : []), 'head x2']
    })
    expect(first).not.toBe(second)
    expect(shapes(transformer)).toEqual(expected)
  })

  it('prompts of different lengths run apart', async () => {
    const transformer = fakeTransformer()
    const { tokens, ...rest } = fakeConditioning(1)
    const long: Conditioning = {
      ...rest,
      tokens: tensor(Float32Array.from([...tokens.data, ...tokens.data]), [1, 6, 6]),
    }
    await runFake({ transformer, steps: 1, negative: [long] })
    expect(shapes(transformer).filter((shape) => shape.startsWith('embed'))).toEqual(['embed x1', 'embed x1'])
  })

  it('ranges that overlap are run together where they do, with the numbers and the account of each alone', async () => {
    const open = async () => {
      const transformer = fakeTransformer()
      const prompts = new Map((['cond', 'uncond'] as const).map((branch) => [branch, fakeConditioning(1)]))
      const metered = await openDenoiser(transformer, prompts, FAKE_LATENT, 1, new AbortController().signal)
      const call = { ...callAt(0, 10, ['cond', 'uncond']), latent: normalNoise(5n, [1, ...FAKE_LATENT]) }
      const walk = async (branch: 'cond' | 'uncond', ranges: readonly (readonly [number, number])[]) => {
        let state = await metered.denoiser.embed(call, branch)
        for (const [from, to] of ranges) state = await metered.denoiser.blocks(state, from, to)
        return { image: [...state.image.data], blocks: metered.takeSpent(call, branch).blocks }
      }
      return { transformer, walk }
    }
    const [cond, uncond] = [[[0, 6]] as const, [[0, 3], [4, 8]] as const] // prettier-ignore
    const [together, apart] = [await open(), await open()]
    const both = await Promise.all([together.walk('cond', cond), together.walk('uncond', uncond)])
    expect(both).toEqual([await apart.walk('cond', cond), await apart.walk('uncond', uncond)])
    expect(both.map(({ blocks }) => blocks)).toEqual([6, 7])
    const expected = ['embed x2', '0-3 x2', '3-4 x1', '4-6 x2', '6-8 x1']
    expect(shapes(together.transformer)).toEqual(expected)
  })

  it('rows split from one batch are joined again without a copy, others are copied', () => {
    const batch = tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2])
    const rows = [0, 1, 2].map((index) => row(batch, index))
    const joined = joinRows(rows)
    expect([joined.data.buffer === batch.data.buffer, joined.shape]).toEqual([true, [3, 2]])
    expect(joinRows(rows.slice(1)).data).toEqual(Float32Array.of(3, 4, 5, 6))
    const swapped = joinRows([rows[1]!, rows[0]!])
    expect([swapped.data.buffer === batch.data.buffer, [...swapped.data]]).toEqual([false, [3, 4, 1, 2]])
  })
})

describe('memory of joined rows', () => {
  /** Hands on what it gets: 'kept' as it is, 'seen' as a view of the same memory. */
  const handsOn = () => {
    const transformer = fakeTransformer()
    transformer.run = (_part, { x }) =>
      Promise.resolve({ x: x!, kept: x!, seen: { data: x!.data.subarray(0), shape: x!.shape } })
    return new CoalescingQueue(transformer, new AbortController().signal)
  }
  const ask = (queue: CoalescingQueue, values: readonly number[]) =>
    Promise.all(
      values.map((value, slot) =>
        queue.run({
          part: { kind: 'head' },
          rows: { x: tensor(Float32Array.of(value, value), [1, 2]) },
          shared: {},
          slot,
          tokens: { image: 2, text: 0 },
          spent: nothingSpent(),
        }),
      ),
    )

  it('is used again, and nobody is left holding it', async () => {
    const queue = handsOn()
    const first = await ask(queue, [1, 2])
    const second = await ask(queue, [3, 4])
    const values = (rows: typeof first) => rows.map((row) => ['x', 'kept', 'seen'].map((name) => [...row[name]!.data]))
    const twice = (value: number) => Array.from({ length: 3 }, () => [value, value])
    expect(values(first)).toEqual([twice(1), twice(2)])
    expect(values(second)).toEqual([twice(3), twice(4)])
  })

  it('rows handed on are the very ones that were asked with, so that they stay side by side', async () => {
    const batch = tensor(Float32Array.of(1, 2, 3, 4), [2, 2])
    const transformer = fakeTransformer()
    const received: Float32Array[] = []
    transformer.run = (_part, { x }) => {
      received.push(x!.data)
      return Promise.resolve({ x: x! })
    }
    const queue = new CoalescingQueue(transformer, new AbortController().signal)
    const request = {
      part: { kind: 'head' as const },
      shared: {},
      tokens: { image: 2, text: 0 },
      spent: nothingSpent(),
    }
    const rows = [0, 1].map((slot) => ({ ...request, slot, rows: { x: row(batch, slot) } }))
    const answers = await Promise.all(rows.map((one) => queue.run(one)))
    expect(received[0]!.buffer).toBe(batch.data.buffer)
    expect(answers.map(({ x }) => x)).toEqual(rows.map((one) => one.rows.x))
    expect(answers[1]!['x']).toBe(rows[1]!.rows.x)
  })
})

describe('accounting', () => {
  it('milliseconds of the rows add up to no more than the run took, blocks to what the transformer ran', async () => {
    const transformer = fakeTransformer()
    const { report } = await runFake({ transformer, batch: 2 })
    const spent = report.rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0)
    expect(spent).toBeGreaterThan(0)
    expect(spent / 1000).toBeLessThanOrEqual(report.seconds)
    expect(report.computedBlocks).toBe(transformer.blockRows())
    expect(report.totalBlocks).toBe(16 * 2 * 2 * 8)
  })
})

describe('stopping', () => {
  it('nothing more is run once the signal is aborted', async () => {
    const transformer = fakeTransformer()
    const controller = new AbortController()
    const { run } = transformer
    transformer.run = async (...given) => {
      if (transformer.runs.length === 4) controller.abort()
      return run(...given)
    }
    await expect(runFake({ transformer, batch: 2, signal: controller.signal })).rejects.toThrow(InterruptedError)
    expect(transformer.runs).toHaveLength(5)
  })

  it('an abort from outside lands while the sampler runs', async () => {
    const transformer = fakeTransformer()
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 5)
    await expect(runFake({ transformer, steps: 900, signal: controller.signal })).rejects.toThrow(InterruptedError)
    expect(transformer.runs.length).toBeLessThan(2700)
  })

  it('a failing model fails the run with its own error, and is not asked again', async () => {
    const transformer = fakeTransformer()
    let asked = 0
    transformer.run = () => {
      asked++
      return Promise.reject(new Error('out of memory'))
    }
    await expect(runFake({ transformer, batch: 2 })).rejects.toThrow('out of memory')
    expect(asked).toBe(1)
  })
})
