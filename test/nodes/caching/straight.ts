/** The fake model as plain functions over one sample and branch, and a plain Euler loop: what oracles of caching methods are written with. */
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import type { Rows } from '../../../diffusion/families/contract.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { schedules } from '../../../diffusion/registry.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { FAKE_LATENT, fakeConditioning, fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'

export type Numbers = readonly number[]

/** Tokens of both streams, and what else the blocks take. */
export interface Tokens {
  readonly image: Numbers
  readonly text: Numbers
  readonly rows: Rows
}

export interface Straight {
  readonly depth: number
  embed(latent: Numbers, sigma: number): Promise<Tokens>
  blocks(tokens: Tokens, from: number, to: number): Promise<Tokens>
  head(tokens: Tokens): Promise<Numbers>
  /** All of it. */
  predict(latent: Numbers, sigma: number): Promise<Numbers>
}

const like = (values: Numbers, { shape }: Tensor): Tensor => tensor(Float32Array.from(values), shape)

/** The fake of eight blocks under one prompt. */
export async function straight(prompt = 1): Promise<Straight> {
  const transformer = fakeTransformer()
  const { rows: prepared, shared } = await transformer.prepare(fakeConditioning(prompt), FAKE_LATENT)
  const read = (rows: Rows): Tokens => ({ image: [...rows['image']!.data], text: [...rows['text']!.data], rows })
  const write = ({ image, text, rows }: Tokens): Rows => ({
    ...rows,
    image: like(image, rows['image']!),
    text: like(text, rows['text']!),
  })
  const model: Straight = {
    depth: 8,
    async embed(latent, sigma) {
      const rows = {
        ...prepared,
        latent: tensor(Float32Array.from(latent), [1, ...FAKE_LATENT]),
        sigma: tensor(Float32Array.of(sigma), [1]),
      }
      return read(await transformer.run({ kind: 'embed' }, rows, shared))
    },
    blocks: async (tokens, from, to) =>
      from === to ? tokens : read(await transformer.run({ kind: 'blocks', from, to }, write(tokens), shared)),
    head: async (tokens) => [...(await transformer.run({ kind: 'head' }, write(tokens), shared))['prediction']!.data],
    predict: async (latent, sigma) => model.head(await model.blocks(await model.embed(latent, sigma), 0, 8)),
  }
  return model
}

export const plus = (a: Numbers, b: Numbers): number[] => a.map((value, i) => value + b[i]!)
export const minus = (a: Numbers, b: Numbers): number[] => a.map((value, i) => value - b[i]!)
export const times = (factor: number, a: Numbers): number[] => a.map((value) => factor * value)
export const mean = (a: Numbers): number => a.reduce((sum, value) => sum + value, 0) / a.length
export const meanAbs = (a: Numbers): number => mean(a.map(Math.abs))

/** The noise levels of a run of the fake model. */
export const sigmasOf = (steps: number): Numbers =>
  runSigmas(schedules.get('simple')!, steps, 1, fakeModel(fakeTransformer()).parametrisation)

/** Plain Euler steps from the noise of `seed`; `velocity` answers step k at latent x. Returns the last latent. */
export async function eulerLoop(
  steps: number,
  seed: bigint,
  velocity: (x: Numbers, sigma: number, k: number) => Promise<Numbers>,
): Promise<Numbers> {
  const sigmas = sigmasOf(steps)
  let x: Numbers = [...normalNoise(seed, [1, ...FAKE_LATENT]).data]
  for (let k = 0; k < steps; k++) x = plus(x, times(sigmas[k + 1]! - sigmas[k]!, await velocity(x, sigmas[k]!, k)))
  return x
}

/** What skipped blocks are taken to add: what they last added, or with an order of 1 the straight line through the last two times. */
export class Added {
  readonly #order: 0 | 1
  #last: { readonly at: number; readonly change: Numbers } | null = null
  #before: { readonly at: number; readonly change: Numbers } | null = null

  constructor(order: 0 | 1) {
    this.#order = order
  }

  /** At step `at` the blocks were run and made `to` of `from`. */
  learn(at: number, from: Numbers, to: Numbers): void {
    this.#before = this.#last
    this.#last = { at, change: minus(to, from) }
  }

  /** `from` with what step `k` would add. */
  to(from: Numbers, k: number): Numbers {
    const [last, before] = [this.#last!, this.#before]
    const held = plus(from, last.change)
    if (this.#order === 0 || before === null) return held
    return plus(held, times((k - last.at) / (last.at - before.at), minus(last.change, before.change)))
  }
}
