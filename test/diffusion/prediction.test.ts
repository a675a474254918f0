/** Epsilon and v models against diffusers' Euler scheduler: the table of noise levels, the times, and every state of a toy run. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { discrete } from '../../diffusion/families/parametrisation.ts'
import { predictionOf } from '../../diffusion/prediction.ts'
import euler from '../../diffusion/samplers/euler.ts'
import { readTensors } from '../../diffusion/onnx/weights.ts'
import { row, type Tensor } from '../../diffusion/tensor.ts'

const folder = join(import.meta.dirname, '../fixtures/parity/schedulers-a')
const BETAS = { schedule: 'scaled_linear', first: 0.00085, last: 0.012, trainSteps: 1000 } as const

/** The reference's toy model: elementwise tanh(0.3 x + 0.0005 t). */
const toy = ({ data, shape }: Tensor, time: number): Tensor => ({
  data: data.map((value) => Math.tanh(0.3 * value + 0.0005 * time)),
  shape,
})

const expectClose = (actual: ArrayLike<number>, expected: ArrayLike<number>, bar: number): void => {
  expect(actual.length).toBe(expected.length)
  Array.from(actual).forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(bar))
}

describe.each([
  ['euler-sd15-leading', 'epsilon'],
  ['euler-karras', 'epsilon'],
  ['euler-vpred', 'v'],
] as const)('%s', (name, kind) => {
  it('has the same noise levels, times, model inputs and states', async () => {
    const expected = await readTensors(join(folder, `${name}.safetensors`))
    const parametrisation = discrete(kind, BETAS)
    const prediction = predictionOf(parametrisation)
    expectClose(parametrisation.alphas, expected['alphas_cumprod']!.data, 1e-6)
    const trajectory = expected['trajectory']!
    const states: Tensor[] = []
    const times: number[] = []
    const end = await euler.sample(
      (latent, sigma) => {
        const input = prediction.input(latent, sigma)
        expectClose(input.data, row(expected['model_input']!, states.length).data, 1e-4)
        states.push(latent)
        times.push(prediction.timestep(sigma))
        return Promise.resolve(prediction.denoised(latent, toy(input, times.at(-1)!), sigma))
      },
      row(trajectory, 0),
      [...expected['sigmas']!.data],
      () => undefined,
    )
    for (const [i, state] of [...states, end].entries()) expectClose(state.data, row(trajectory, i).data, 1e-4)
    expectClose(times, expected['timesteps']!.data, 1e-2)
  })
})
