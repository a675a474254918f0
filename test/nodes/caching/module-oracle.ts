/** The fake model one module at a time, as lists of numbers, and a plain Euler loop: what retellings of module methods are written with. */
import type { Branch, ModuleKey } from '../../../diffusion/caching/contract.ts'
import type { Rows } from '../../../diffusion/families/contract.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { schedules } from '../../../diffusion/registry.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { FAKE_LATENT, fakeConditioning, fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'

export const DEPTH = 8
export const BLOCKS: readonly number[] = Array.from({ length: DEPTH }, (_, block) => block)

/** What a module gave, image tokens before text tokens. */
export interface Output {
  readonly image: readonly number[]
  readonly text: readonly number[]
}

/** How a module of a block is answered: run, or with this output, some of whose image tokens may be made anew. */
export type Answer = 'run' | { readonly output: Output; readonly refresh?: readonly number[] }

export interface ModuleModel {
  embed(latent: readonly number[], sigma: number): Promise<Rows>
  /** All blocks, one by one; `answer` is asked for 'attn' and 'mlp' of each in turn. Every output comes back, run or given. */
  blocks(rows: Rows, answer: (kind: 'attn' | 'mlp', block: number) => Answer): Promise<ModuleStep>
  head(rows: Rows): Promise<number[]>
}

export interface ModuleStep {
  readonly rows: Rows
  readonly outputs: Readonly<Record<string, Output>>
}

const like = (values: readonly number[], { shape }: Tensor): Tensor => tensor(Float32Array.from(values), shape)

/** The fake of eight blocks under the prompt that `runFake` has for this branch. */
export async function moduleModel(branch: Branch = 'cond', size = FAKE_LATENT): Promise<ModuleModel> {
  const transformer = fakeTransformer()
  const { rows: prepared, shared } = await transformer.prepare(fakeConditioning(branch === 'cond' ? 1 : 2), size)
  return {
    async embed(latent, sigma) {
      const rows = {
        ...prepared,
        latent: tensor(Float32Array.from(latent), [1, ...size]),
        sigma: tensor(Float32Array.of(sigma), [1]),
      }
      return transformer.run({ kind: 'embed' }, rows, shared)
    },
    async blocks(start, answer) {
      let rows = start
      const outputs: Record<string, Output> = {}
      for (const block of BLOCKS) {
        const fed: Record<string, Tensor> = {}
        const given: ModuleKey[] = []
        const refreshed: Record<ModuleKey, number> = {}
        for (const kind of ['attn', 'mlp'] as const) {
          const [key, told] = [`${kind}.${block}` as const, answer(kind, block)]
          if (told === 'run') continue
          given.push(key)
          fed[`${key}.image`] = like(told.output.image, rows['image']!)
          fed[`${key}.text`] = like(told.output.text, rows['text']!)
          if (!told.refresh?.length) continue
          refreshed[key] = told.refresh.length
          fed[`${key}.tokens`] = tensor(Float32Array.from(told.refresh), [1, told.refresh.length])
        }
        const emitted: readonly ModuleKey[] = [`attn.${block}`, `mlp.${block}`]
        const modules = { given, refreshed, emitted }
        const out = await transformer.run(
          { kind: 'blocks', from: block, to: block + 1, modules },
          { ...rows, ...fed },
          shared,
        )
        for (const key of emitted)
          outputs[key] = { image: [...out[`${key}.image`]!.data], text: [...out[`${key}.text`]!.data] }
        rows = { ...rows, image: out['image']!, text: out['text']! }
      }
      return { rows, outputs }
    },
    head: async (rows) => [...(await transformer.run({ kind: 'head' }, rows, shared))['prediction']!.data],
  }
}

/** Noise levels of `runFake`. */
export const fakeSigmas = (steps: number): readonly number[] =>
  runSigmas(schedules.get('simple')!, steps, 1, fakeModel(fakeTransformer()).parametrisation)

/** Plain Euler steps from `runFake`'s first noise; `velocity` is told the evaluation, the latent and its noise level. */
export async function eulerLoop(
  steps: number,
  velocity: (index: number, latent: readonly number[], sigma: number) => Promise<readonly number[]>,
): Promise<readonly number[]> {
  const sigmas = fakeSigmas(steps)
  let latent: readonly number[] = [...normalNoise(1n, [1, ...FAKE_LATENT]).data]
  for (let i = 0; i < steps; i++) {
    const v = await velocity(i, latent, sigmas[i]!)
    latent = latent.map((value, k) => value + (sigmas[i + 1]! - sigmas[i]!) * v[k]!)
  }
  return latent
}
