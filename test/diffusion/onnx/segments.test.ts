/** Segments hold every block once, whatever ranges are asked for. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Segments } from '../../../diffusion/onnx/segments.ts'
import type { Session } from '../../../diffusion/onnx/session.ts'
import { tensor } from '../../../diffusion/tensor.ts'

const DEPTH = 9

/** Sessions that append the blocks they run to the row `x`, and a record of which blocks are held. */
function recorder() {
  const held = new Map<number, number>()
  const count = (from: number, to: number, by: number): void => {
    for (let block = from; block < to; block++) held.set(block, (held.get(block) ?? 0) + by)
  }
  let most = 0
  const open = (from: number, to: number): Promise<Session> => {
    if (from >= to) throw new Error('an empty segment')
    count(from, to, 1)
    most = Math.max(most, ...held.values())
    let closed = false
    return Promise.resolve({
      async run(feeds) {
        await Promise.resolve()
        if (closed) throw new Error('used after release')
        const blocks = Array.from({ length: to - from }, (_, i) => from + i)
        const data = Float32Array.from([...(feeds['x']!.data as Float32Array), ...blocks])
        return { x: tensor(data, [data.length]) }
      },
      async release() {
        closed = true
        count(from, to, -1)
        return Promise.resolve()
      },
    })
  }
  return { open, held, most: () => most }
}

const start = { x: tensor(new Float32Array(0), [0]) }

describe('Segments', () => {
  it('run exactly the blocks of a range, in order, holding none twice, also when calls meet', async () => {
    const range = fc
      .tuple(fc.nat(DEPTH), fc.nat(DEPTH))
      .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)])
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 20 }), async (ranges) => {
        const { open, held, most } = recorder()
        const segments = new Segments(DEPTH, open)
        const answers = await Promise.all(ranges.map((r) => segments.run(r, start, {})))
        answers.forEach(({ x }, i) => {
          const [from, to] = ranges[i]!
          expect([...x!.data]).toEqual(Array.from({ length: to - from }, (_, k) => from + k))
        })
        expect(most()).toBeLessThanOrEqual(1)
        await segments.release()
        expect([...held.values()].every((n) => n === 0)).toBe(true)
      }),
    )
  })

  it('keep sessions between calls that ask for the same cuts', async () => {
    let opened = 0
    const { open } = recorder()
    const segments = new Segments(DEPTH, (from, to) => {
      opened++
      return open(from, to)
    })
    for (let i = 0; i < 5; i++) {
      await segments.run([0, 1], start, {})
      await segments.run([1, DEPTH], start, {})
      await segments.run([0, DEPTH], start, {})
    }
    expect(opened).toBe(2)
  })

  it.each([
    [-1, 2],
    [3, 2],
    [0, DEPTH + 1],
    [0.5, 2],
  ])('refuse blocks %d to %d', (from, to) => {
    const segments = new Segments(DEPTH, recorder().open)
    expect(() => segments.run([from, to], start, {})).toThrow(/of a model with 9/)
  })

  it('go on after a failed run', async () => {
    let fail = true
    const { open } = recorder()
    const segments = new Segments(DEPTH, (from, to) => {
      if (fail) throw new Error('no memory')
      return open(from, to)
    })
    await expect(segments.run([0, 2], start, {})).rejects.toThrow('no memory')
    fail = false
    expect((await segments.run([0, 2], start, {}))['x']!.data.length).toBe(2)
  })
})
