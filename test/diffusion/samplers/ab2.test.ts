/** AB2 on uneven steps: exact where the slope is a line in sigma, but for the first step, which is Euler's. */
import { expect, it } from 'vitest'
import ab2 from '../../../diffusion/samplers/ab2.ts'
import { tensor } from '../../../diffusion/tensor.ts'
import { evenMedium } from './medium.ts'

it('integrates a slope that is a line in sigma exactly from the second step on, however the steps are spaced', async () => {
  const slope = (sigma: number): number => 3 - 4 * sigma
  const integral = (sigma: number): number => 3 * sigma - 2 * sigma ** 2
  const sigmas = [1, 0.9, 0.55, 0.5, 0.1, 0]
  const start = tensor(Float32Array.of(7), [1, 1])
  const end = await ab2.sample(
    // The clean latent is x - sigma dx/dsigma.
    ({ data, shape }, sigma) => Promise.resolve({ data: data.map((x) => x - sigma * slope(sigma)), shape }),
    start,
    sigmas,
    () => undefined,
    evenMedium('flow', start.shape),
  )
  const first = -0.1 * slope(1)
  expect(end.data[0]).toBeCloseTo(7 + first + integral(0) - integral(0.9), 5)
})
