/** DiCache over a tiny FLUX model makes the decisions of its authors' code, and ends in the same states. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { configure } from '../../../diffusion/caching/contract.ts'
import { cacheLoopChecker } from '../../../diffusion/check/shared/cache-loop.ts'
import { dicache } from '../../../nodes/caching/dicache.ts'
import { checkFolder } from '../../../server/parity.ts'
import { knobs } from '../../nodes/caching/scripted.ts'

const parity = join(import.meta.dirname, '../../fixtures/parity')

describe('published DiCache loops', () => {
  it.each(['dicache-flux-dy-a', 'dicache-flux-dminus-a'])('%s', async (name) => {
    const [result] = await checkFolder(join(parity, name))
    expect(result).toMatchObject({ name, kind: 'cache-loop', pass: true })
    expect(result!.details).toHaveLength(9)
    expect(result!.maxAbs).toBeLessThan(1e-4)
  })

  it('another threshold is told apart', async () => {
    const checker = cacheLoopChecker(({ threshold }) => configure(dicache, { ...knobs, threshold: threshold * 1.3 }))
    expect(await checker.check(join(parity, 'dicache-flux-dy-a'))).toMatchObject([{ pass: false }])
  })
})
