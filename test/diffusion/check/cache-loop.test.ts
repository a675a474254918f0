/** Cached loops over a tiny FLUX model make the decisions of their authors' code, and end in the same states. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cacheLoopChecker } from '../../../diffusion/check/shared/cache-loop.ts'
import dicacheLoop from '../../../nodes/caching/loops/dicache.ts'
import firstBlockLoop from '../../../nodes/caching/loops/firstblockcache.ts'
import { checkFolder } from '../../../server/parity.ts'

const parity = join(import.meta.dirname, '../../fixtures/parity')

describe('published loops', () => {
  it.each([
    ['dicache-flux-dy-a', 9],
    ['dicache-flux-dminus-a', 9],
    ['fbcache-flux-a', 7],
  ])('%s', async (name, compared) => {
    const [result] = await checkFolder(join(parity, name))
    expect(result).toMatchObject({ name, kind: 'cache-loop', pass: true })
    expect(result!.details).toHaveLength(compared)
    expect(result!.maxAbs).toBeLessThan(1e-4)
  })

  it.each([
    ['dicache-flux-dy-a', dicacheLoop, 'rel_l1_thresh'],
    ['fbcache-flux-a', firstBlockLoop, 'threshold'],
  ] as const)('%s at another threshold is told apart', async (name, loop, key) => {
    const raised = {
      ...loop,
      configured: (about: Parameters<typeof loop.configured>[0]) =>
        loop.configured({ ...about, [key]: Number(about[key]) * 1.3 }),
    }
    expect(await cacheLoopChecker([raised]).check(join(parity, name))).toMatchObject([{ pass: false }])
  })

  it('a case of no known loop is not taken, and refused by name when asked for', async () => {
    const checker = cacheLoopChecker([firstBlockLoop])
    const stranger = join(parity, 'dicache-flux-dy-a')
    expect(await checker.matches(stranger)).toBe(false)
    await expect(checker.check(stranger)).rejects.toThrow(/dicache-flux-dy-a/)
  })
})
