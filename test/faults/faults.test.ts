/** The planted faults still fit the sources, and every caching method has enough of them. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { bare, cachingNodes } from '../nodes/caching/subject.ts'
import { misfit, planted, readFaults } from './faults.ts'

const ENOUGH = 5
const root = join(import.meta.dirname, '../..')

const methods = (await cachingNodes()).map(({ definition }) => definition.type)

describe('planted faults', () => {
  const lists = readFaults()

  it.each(lists)('those of $method fit the sources, and their tests are there', ({ faults }) => {
    expect(faults.map((fault) => misfit(fault)).filter((why) => why !== null)).toEqual([])
    const missing = faults.flatMap(({ tests }) => tests).filter((file) => !existsSync(join(root, file)))
    expect(missing).toEqual([])
  })

  it(`every caching method has at least ${ENOUGH}, in a file named like its node's`, () => {
    expect(methods).toContain('DiCache')
    const counts = new Map(lists.map(({ method, faults }) => [bare(method), faults.length]))
    const short = methods.filter((method) => (counts.get(bare(method)) ?? 0) < ENOUGH)
    expect(short, `fewer than ${ENOUGH} faults in test/faults/<node file>.json`).toEqual([])
  })

  it('a fault whose text is gone, or is there twice, is reported', () => {
    const fault = { file: 'diffusion/caching/forcing.ts', replace: '', rule: 'an example of a rule', tests: [] }
    expect(misfit({ ...fault, find: 'no such text' })).toContain('0 times')
    expect(misfit({ ...fault, find: 'warmUp' })).toMatch(/found it \d+ times/)
    expect(misfit({ ...fault, file: 'diffusion/none.ts', find: 'x' })).toContain('does not exist')
    expect(planted('a $ b', { ...fault, find: '$', replace: "$'" })).toBe("a $' b")
  })
})
