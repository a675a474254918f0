/** Which methods the cache bench finds among the nodes, and how their settings are read. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { methodSettings, type MethodOptions } from '../../bench/methods.ts'
import rivals from '../../bench/rivals.json' with { type: 'json' }
import { fewerSteps } from '../../bench/rivals.ts'
import { loadRegistry } from '../../server/engine/registry.ts'
import { fakeModel, fakeTransformer } from '../fixtures/fake-model.ts'

const registry = await loadRegistry()
const options: MethodOptions = {
  ...{ registry, steps: 30, shift: 1, quick: false, only: [] },
  calibrate: () => Promise.resolve(''),
}

let folder: string
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'heddle-bench-'))))
afterAll(() => rm(folder, { recursive: true }))
const write = (value: unknown) => writeFile(join(folder, 'one.json'), JSON.stringify(value))

describe('methodSettings', () => {
  it('reads the sheets that are shipped, and every setting gives a cache', async () => {
    const all = await methodSettings(options)
    expect(all.filter(({ method }) => method === 'DiCache').length).toBeGreaterThan(2)
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
    for (const setting of all) {
      const wired = await setting.wire(fakeModel(fakeTransformer()))
      expect(wired.cache ?? wired.model, setting.name).toBeTruthy()
    }
  })

  it('takes parameters from the sheet, the rest from the node', async () => {
    await write({
      node: 'DiCache',
      shared: { decide: 'together' },
      sweep: [{ with: { threshold: 0.3 } }, { with: {} }],
    })
    const [first, second] = (await methodSettings({ ...options, only: ['DiCache'] }, folder)).filter(
      ({ method }) => method === 'DiCache',
    )
    expect(first).toMatchObject({ name: 'DiCache threshold 0.3', role: 'method', steps: 30, sampler: 'euler' })
    expect(first?.params).toMatchObject({ threshold: 0.3, decide: 'together', warm_up: 0.2, enabled: true })
    expect(second).toMatchObject({ name: 'DiCache', params: { threshold: 0.2 } })
  })

  it('runs a method without a sheet at its defaults, and only the first setting when quick', async () => {
    await write({ node: 'DiCache', sweep: [{ with: { threshold: 0.3 } }, { with: {} }] })
    const quick = await methodSettings({ ...options, quick: true }, folder)
    expect(quick.filter(({ method }) => method === 'DiCache')).toHaveLength(1)
    expect(quick.find(({ method }) => method === 'FirstBlockCache')).toMatchObject({ name: 'FirstBlockCache' })
  })

  it('leaves out settings that were made for another number of steps or another shift', async () => {
    await write({
      node: 'DiCache',
      sweep: [
        { steps: 50, with: {} },
        { steps: 30, name: 'made for 30', with: {} },
        { shift: 3, with: {} },
        { steps: 30, shift: 1, name: 'made for shift 1', with: {} },
      ],
    })
    const own = (await methodSettings(options, folder)).filter(({ method }) => method === 'DiCache')
    expect(own.map(({ name }) => name)).toEqual(['DiCache made for 30', 'DiCache made for shift 1'])
  })

  it('calibrates as the sheet says, each setting with its own parameters, or not at all', async () => {
    await write({
      node: 'MagCache',
      calibrate: { node: 'CalibrateMagCache', into: 'calibration', with: { runs: 1 } },
      sweep: [{ with: {} }, { name: 'twice', calibrate: { runs: 2 }, with: {} }, { calibrate: false, with: {} }],
    })
    const asked: unknown[] = []
    const calibrate: MethodOptions['calibrate'] = (...what) => {
      asked.push(what)
      return Promise.resolve('')
    }
    await methodSettings({ ...options, calibrate, only: ['MagCache'] }, folder)
    expect(asked).toEqual([
      ['CalibrateMagCache', { runs: 1 }],
      ['CalibrateMagCache', { runs: 2 }],
    ])
  })

  it("wires other methods into a node's links, and tells settings apart by them", async () => {
    const links = (threshold: number) => ({ decides: { node: 'DiCache', with: { threshold } } })
    await write({
      node: 'ForecastCache',
      sweep: [
        { name: 'one', links: links(0.1), with: { when: 'drift' } },
        { name: 'two', links: links(0.3), with: { when: 'drift' } },
      ],
    })
    const own = (await methodSettings(options, folder)).filter(({ method }) => method === 'ForecastCache')
    const { cache } = await own[0]!.wire(fakeModel(fakeTransformer()))
    expect(cache!.params).toMatchObject({ when: 'drift', decides: 'DiCache' })
    expect(own.map(({ params }) => params['decides'])).toMatchObject([{ threshold: 0.1 }, { threshold: 0.3 }])
  })

  it.each([
    [
      { node: 'DiCache', sweep: [{ with: { treshold: 1, history: 99 } }] },
      /'treshold' is no input of DiCache.*history/s,
    ],
    [{ node: 'DiCache', sweep: [{ with: { start: 0.9, end: 0.1 } }] }, /the window ends/],
    [{ node: 'NoCache', sweep: [{ with: {} }] }, /no caching method NoCache; there is .*DiCache/],
    [{ node: 'ApplyCache', sweep: [{ with: {} }] }, /no caching method ApplyCache/],
    [{ node: 'DiCache', sweeps: [] }, /one\.json.*sweep/s],
  ])('refuses %j', async (sheet, message) => {
    await write(sheet)
    await expect(methodSettings(options, folder)).rejects.toThrow(message)
  })
})

describe('fewerSteps', () => {
  it('meets the same number of evaluations with every sampler', () => {
    const all = fewerSteps(30, rivals.shares)
    for (const name of ['euler, 15 steps', 'ab2, 10 steps', 'dpmpp_2m, 13 steps', 'heun, 8 steps'])
      expect(all.map((setting) => setting.name)).toContain(`FewerSteps ${name}`)
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
    expect(new Set(all.map(({ sampler }) => sampler)).size).toBeGreaterThan(2)
  })
})
