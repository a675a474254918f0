/** What methods know of the evaluations to come. */
import { describe, expect, it } from 'vitest'
import { ahead, mayCome } from '../../../diffusion/caching/ahead.ts'
import type { Call } from '../../../diffusion/caching/contract.ts'
import { zeros } from '../../../diffusion/tensor.ts'

const sigmas = [0.8, 0.6, 0.2, 0]
const path = sigmas.slice(0, -1).map((sigma) => ({ sigma, timestep: 1000 * sigma }))
const call = (index: number, changes: Partial<Call> = {}): Call => ({
  index,
  total: 3,
  sigma: sigmas[index]!,
  timestep: 1000 * sigmas[index]!,
  sigmas,
  path,
  guidance: 1,
  progress: 1 - sigmas[index]! / 0.8,
  latent: zeros([1, 1, 2, 2]),
  sample: 0,
  branches: ['cond'],
  ...changes,
})

describe('the evaluations to come', () => {
  it('have their place, level and progress, up to the last', () => {
    expect(ahead(call(0), 1)).toMatchObject({ index: 1, sigma: 0.6, timestep: 600, progress: 1 - 0.6 / 0.8 })
    expect(ahead(call(0), 2)).toMatchObject({ index: 2, sigma: 0.2 })
    expect(ahead(call(1), 2)).toBe('end')
  })

  it('are unknown where the sampler makes several per step, and where it is not at a level of its path', () => {
    const { path: _, ...other } = call(0)
    expect(ahead(other, 1)).toBe('unknown')
    expect(ahead(call(0, { sigma: 0.7 }), 1)).toBe('unknown')
  })

  it('may do what is asked unless they are known not to', () => {
    const { path: _, ...other } = call(0)
    expect(mayCome(call(0), 1, ({ index }) => index === 1)).toBe(true)
    expect(mayCome(call(0), 1, ({ index }) => index === 2)).toBe(false)
    expect(mayCome(call(2), 1, () => true)).toBe(false)
    expect(mayCome(other, 1, () => false)).toBe(true)
  })
})
