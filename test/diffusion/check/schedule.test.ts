/** The flow schedules and solvers match diffusers'; what is not there is listed as such. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkCase } from '../../../diffusion/check/index.ts'

const parity = join(import.meta.dirname, '../../fixtures/parity')

describe('schedulers-a', async () => {
  const results = await checkCase(join(parity, 'schedulers-a'))
  const supported = results.filter((result) => !result.unsupported)

  it.each(supported.map((result) => [result.name, result] as const))('%s', (_, result) => {
    expect(result).toMatchObject({ kind: 'schedule', pass: true })
    expect(result.details).toHaveLength(5)
    expect(result.maxAbs).toBeLessThan(1e-4)
  })

  it('covers the flow schedulers and lists the others as unsupported', () => {
    const names = supported.map(({ name }) => name.replace('schedulers-a: ', ''))
    expect(names).toEqual([
      'dpmpp2m-flow',
      'flow-dynamic-linear',
      'flow-flux-dynamic-1024tok',
      'flow-karras',
      'flow-shift-terminal',
      'flow-shift1',
      'flow-shift3',
      'unipc-wan-flow',
    ])
    expect(results).toHaveLength(16)
    expect(results.filter(({ unsupported }) => unsupported).every(({ pass }) => !pass)).toBe(true)
  })
})
