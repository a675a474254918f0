/** Publishing a result: the shipped pages have the marks, only what lies between them changes, and quick runs are refused. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { publishForecast } from '../../bench/publish-forecast.ts'
import { publish } from '../../bench/publish.ts'
import type { Result } from '../../bench/result.ts'
import type { Row } from '../../bench/summary.ts'

const PAGES = ['README.md', 'docs/dicache.md', 'docs/caching-bench.md']
const shipped = join(import.meta.dirname, '../..')
let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'heddle-publish-'))
  for (const page of PAGES) await cp(join(shipped, page), join(root, page), { recursive: true })
})
afterAll(() => rm(root, { recursive: true }))

const row = (config: string, over: Partial<Row>): Row => ({
  ...{ config, method: 'DiCache', role: 'method', captions: 64, evaluations: 30, blockShare: 0.4, flopShare: 0.4 },
  ...{ teraflops: 0.1, promised: 2.5, psnr: 40, psnrWorst: 30, ssim: 0.99, latentL1: 0.01, truthL2: 0.06, judged: {} },
  ...{ heldMiB: 1, residentMiB: 300, sameDecisions: 0.9 },
  speed: { runs: 16, latency: 0.5, speedUp: 2.4, quartiles: [2.3, 2.5], overhead: 1.04 },
  ...over,
})
const result: Result = {
  ...{ command: 'npx heddle bench cache', commit: 'abc1234', machine: '2 x CPU', versions: 'Node', date: '2026-01-01' },
  ...{
    model: 'm',
    captions: 64,
    timed: 8,
    steps: 30,
    converged: 100,
    guidance: 3,
    size: 128,
    unmatched: ['Other'],
    contests: [],
    adoption: null,
  },
  rows: [
    row('DiCache a', {}),
    row('DiCache b', { psnr: 45, promised: 2.1 }),
    row('DiCache c', { psnr: 60, promised: 1.5 }),
    row('Slow one', { method: 'Slow', promised: 1.2 }),
    row('FewerSteps euler, 15 steps', { role: 'fewer', method: 'FewerSteps euler', promised: 2 }),
  ],
  duels: [
    {
      ...{ config: 'DiCache a', share: 0.4, captions: 64, psnr: 40, maskPsnr: 42, won: 10, verdict: 'worse' },
      difference: { mean: -2, low: -3, high: -1 },
    },
  ],
  batch: {
    ...{ samples: 8, config: 'DiCache a', batchBlocks: 100, singleBlocks: 100, sameDecisions: true },
    ...{ largestDifference: 1e-7, meanRuleBlocks: 96, anyRuleBlocks: 128, totalBlocks: 200 },
  },
}

const withoutBlocks = (text: string): string =>
  text.replace(/(<!-- bench:(\w+) -->)[\s\S]*?(<!-- \/bench:\2 -->)/g, '$1$3')
const read = (page: string, from = root): Promise<string> => readFile(join(from, page), 'utf8')

describe('publish', () => {
  it('fills the marks of the shipped pages and leaves the rest alone, also the second time', async () => {
    await publish(result, root)
    const once = await Promise.all(PAGES.map((page) => read(page)))
    await publish(result, root)
    for (const [i, page] of PAGES.entries()) {
      expect(await read(page), page).toBe(once[i])
      expect(withoutBlocks(once[i]!), page).toBe(withoutBlocks(await read(page, shipped)))
      expect(once[i], page).toContain('commit abc1234')
    }
  })

  it('gives the README one setting of each method: the most faithful that promises twice the speed, else the fastest', async () => {
    const readme = await read('README.md')
    for (const chosen of ['DiCache b', 'Slow one', 'FewerSteps euler, 15 steps'])
      expect(readme).toContain(`| ${chosen} |`)
    for (const other of ['DiCache a', 'DiCache c']) expect(readme).not.toContain(`| ${other} |`)
  })

  it('gives a method whose settings are of several groups a row of each', async () => {
    const method = 'Forecast'
    const rows = [
      row('Forecast tau 1', { method, group: 'controller', psnr: 50 }),
      row('Forecast mask a half', { method, group: 'mask', psnr: 60 }),
      row('Forecast mask a third', { method, group: 'mask', psnr: 55 }),
    ]
    await publish({ ...result, rows: [...result.rows, ...rows] }, root)
    const readme = await read('README.md')
    for (const chosen of ['Forecast tau 1', 'Forecast mask a half']) expect(readme).toContain(`| ${chosen} |`)
    expect(readme).not.toContain('| Forecast mask a third |')
  })

  it('says which pictures another commit measured, and which settings did not agree', async () => {
    const anew = [{ config: 'DiCache a', why: 'caption 1: PSNR 40, was 41' }]
    const adoption = { commit: 'def5678', repeated: 2, agreed: 4, settings: 5, pictures: 248, anew }
    await publish({ ...result, adoption }, root)
    for (const page of PAGES) {
      const text = await read(page)
      expect(text, page).toContain(
        '248 of 320 pictures were measured at commit def5678, and taken over after the first 2 captions',
      )
      expect(text, page).toContain('agreed under 4 of 5')
      expect(text, page).toContain(
        'measured on all captions at abc1234: DiCache a. All times and memory are of abc1234',
      )
    }
    await publish(result, root)
    expect(await read('README.md')).not.toContain('taken over')
  })

  it('says on its page who beat the masks, who could not be compared, and what a batch costs', async () => {
    const page = await read('docs/caching-bench.md')
    expect(page).toContain('| DiCache a | 40 % | 40.0 | 42.0 | -2.0 (-3.0 .. -1.0) | 10 of 64 | loses to the mask |')
    expect(page).toContain('Other: no fixed mask here computes as little, or as much.')
    expect(page).toContain('128 (64.0 %) blocks if every sample')
    for (const plot of ['', '-methods', '-converged'])
      expect(await read(`docs/caching-bench${plot}.svg`)).toMatch(/^<svg [\s\S]*<\/svg>\n$/)
  })

  it('refuses a quick run', () =>
    expect(publish({ ...result, command: 'npx heddle bench cache --quick' }, root)).rejects.toThrow(
      'not for publishing',
    ))
})

describe('publishForecast', () => {
  const contest = {
    ...{ challenger: 'Own', rival: 'Other', share: 1 / 3, shares: [0.33, 0.36], captions: 64, psnr: [47, 40] },
    ...{ fifth: [40, 30], truth: [0.05, 0.06], difference: { mean: 7, low: 6, high: 8 }, won: 60 },
  } as const
  const put = async (name: string, over: Partial<Result>) => {
    const folder = join(root, 'bench/results')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, name), JSON.stringify({ ...result, contests: [contest], ...over }))
  }

  it('leaves the page as it is without results, then writes a section for each, by steps and shift', async () => {
    const page = 'docs/forecast.md'
    await cp(join(shipped, page), join(root, page))
    await put('cache.json', { contests: [] })
    await publishForecast(root)
    expect(await read(page)).toBe(await read(page, shipped))
    await put('forecast-50.json', { steps: 50, shift: 1 })
    await put('forecast-30-shift3.json', { shift: 3 })
    await put('forecast-quick.json', { command: 'npx heddle bench cache --quick' })
    await put('cache.json', { shift: 1 })
    await publishForecast(root)
    const text = await read(page)
    const headings = text.match(/^### .*guidance.*$/gm)
    expect(headings).toEqual([
      '### 30 steps, shift 1, guidance 3',
      '### 30 steps, shift 3, guidance 3',
      '### 50 steps, shift 1, guidance 3',
    ])
    expect(text).toContain(
      '| Own | Other | 33 % / 36 % | 47.0 / 40.0 | 40.0 / 30.0 | 0.050 / 0.060 | +7.0 (+6.0 .. +8.0) |',
    )
    expect(text).toContain('| DiCache a |')
    expect(text).not.toContain('| Slow one |')
    expect(withoutBlocks(text)).toBe(withoutBlocks(await read(page, shipped)))
  })
})
