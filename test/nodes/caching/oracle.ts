/** Straight-line retellings of published methods, run beside the method on the fake eight-block model. */
import { expect } from 'vitest'
import {
  configure,
  type CacheConfiguration,
  type Call,
  type Decision,
  type Denoiser,
  type Hidden,
} from '../../../diffusion/caching/contract.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { runFake, type FakeRunOptions } from '../../diffusion/caching/run.ts'

/** One evaluation of the only branch, as the retelling sees it: whole states go in and come out, numbers are lists. */
export interface Step {
  readonly i: number
  readonly total: number
  readonly embed: () => Promise<Hidden>
  readonly blocks: (x: Hidden, from: number, to: number) => Promise<Hidden>
}

export type Told = { readonly out: Hidden; readonly decision: Decision }

/** A retelling as a cache: `make` gives the steps of one run, with whatever they remember in their own variables. */
export function retold(make: () => (step: Step) => Promise<Told>): CacheConfiguration {
  return configure(
    {
      id: 'Retold',
      needs: () => ({}),
      start: make,
      async evaluate(call: Call, denoiser: Denoiser, tell: (step: Step) => Promise<Told>) {
        const { out, decision } = await tell({
          i: call.index,
          total: call.total,
          embed: () => denoiser.embed(call, 'cond'),
          blocks: (x, from, to) => denoiser.blocks(x, from, to),
        })
        return new Map([['cond' as const, { prediction: await denoiser.head(out), trace: { decision } }]])
      },
    },
    {},
  )
}

/** Runs the method and its retelling from the same noise: the same decisions and, but for rounding, the same samples. */
export async function expectSame(method: CacheConfiguration, told: CacheConfiguration, options: FakeRunOptions = {}) {
  const [one, two] = [
    await runFake({ guidance: 1, ...options, cache: method }),
    await runFake({ guidance: 1, ...options, cache: told }),
  ]
  const rows = (run: typeof one) => run.report.rows.map(({ decision, blocks }) => `${decision} ${blocks}`)
  expect(rows(one)).toEqual(rows(two))
  one.samples.data.forEach((value, i) => expect(value).toBeCloseTo(two.samples.data[i]!, 5))
  return rows(one)
}

/** a - b of every token, image and text. */
export const minus = (a: Hidden, b: Hidden): readonly [image: number[], text: number[]] => [
  difference(a.image, b.image),
  difference(a.text!, b.text!),
]

export const difference = (a: Tensor, b: Tensor): number[] => Array.from(a.data, (value, i) => value - b.data[i]!)

/** x + residual, image and text. */
export const plus = (x: Hidden, [image, text]: readonly [readonly number[], readonly number[]]): Hidden => ({
  ...x,
  image: tensor(
    x.image.data.map((value, i) => value + image[i]!),
    x.image.shape,
  ),
  text:
    x.text &&
    tensor(
      x.text.data.map((value, i) => value + text[i]!),
      x.text.shape,
    ),
})

/** Sum of |a - b| over sum of |b|. */
export function relative(a: readonly number[], b: readonly number[]): number {
  let [moved, size] = [0, 0]
  a.forEach((value, i) => {
    moved += Math.abs(value - b[i]!)
    size += Math.abs(b[i]!)
  })
  return moved / size
}
