/** The cache report in a real browser: drift, time and warnings of a run, tuned values taken over, and reports of finished results. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBrowser, openStage, type Stage } from './stage.ts'

const executable = await findBrowser()
const TIMEOUT = 300_000

const node = (class_type: string, inputs: Readonly<Record<string, unknown>>) => ({ class_type, inputs })

/** A prompt on the shipped model: a sampler, a prediction and a tuning of one DiCache node. */
function prompt(threshold: number) {
  const sampling = {
    ...{ model: ['1', 0], seed: 5, steps: 12, cfg: 3, sampler_name: 'euler', scheduler: 'simple', denoise: 1 },
    ...{ positive: ['2', 0], negative: ['3', 0], latent_image: ['4', 0] },
  }
  const knob = { knob: 'threshold', whole_numbers: false }
  return {
    1: node('CheckpointLoaderSimple', { ckpt_name: 'heddle-flux-mini' }),
    2: node('CLIPTextEncode', { clip: ['1', 1], text: 'a red house by the sea' }),
    3: node('CLIPTextEncode', { clip: ['1', 1], text: '' }),
    4: node('EmptyLatentImage', { width: 64, height: 64, batch_size: 1 }),
    5: node('DiCache', {
      ...{ preset: 'custom', enabled: true, threshold, warm_up: 0, probe_depth: 1, history: 2, drift: 'probe' },
      ...{ decide: 'per branch', force_last: true, max_gain: 1.5, start: 0, end: 1 },
    }),
    6: node('KSampler', { ...sampling, cache: ['5', 0] }),
    7: node('VAEDecode', { samples: ['6', 0], vae: ['1', 2] }),
    8: node('SaveImage', { images: ['7', 0], filename_prefix: 'report' }),
    9: node('CacheWhatIf', { ...sampling, ...knob, cache: ['5', 0], low: 0, high: 1, points: 9, verify: true }),
    10: node('SaveImage', { images: ['9', 0], filename_prefix: 'what-if' }),
    11: node('TuneCache', {
      ...sampling,
      ...knob,
      cache: ['5', 0],
      goal: 'speed-up',
      target: 1.5,
      low: 0.01,
      high: 2,
      max_runs: 3,
    }),
  }
}

describe.skipIf(executable === null)('the cache report', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(executable!)
  }, TIMEOUT)
  afterAll(() => stage.close())

  const tab = (name: string) => stage.page.getByRole('tab', { name })
  const report = () => stage.page.locator('heddle-report')

  async function run(name: string, threshold: number): Promise<void> {
    const { page } = stage
    await page.locator('#queue:enabled').waitFor()
    await tab('Results').click()
    const before = await page.locator('heddle-gallery article').count()
    const buffer = Buffer.from(JSON.stringify(prompt(threshold)))
    const file = { name: `${name}.json`, mimeType: 'application/json', buffer }
    await page.locator('heddle-library input[type=file]').setInputFiles(file)
    await page.locator('heddle-toolbar .name', { hasText: name }).waitFor()
    await page.locator('#queue').click()
    await page.locator('heddle-gallery article').nth(before).waitFor({ timeout: TIMEOUT })
    expect(await page.locator('heddle-gallery article').first().getAttribute('data-outcome')).toBe('success')
  }

  it(
    'shows drift against the threshold, time per step, modules and operations of a run',
    async () => {
      await run('measured', 0.3)
      await tab('Cache report').click()
      await report().getByLabel('Sampling run').selectOption({ label: 'KSampler' })
      expect(await report().locator('svg.weave').getAttribute('aria-label')).toMatch(/DiCache: 24 of 24 cells/)
      expect(await report().getByText('Accumulated drift against the threshold 0.3').count()).toBe(1)
      expect(await report().locator('svg.time rect').count()).toBe(24)
      const figures = await report().locator('dl').innerText()
      expect(figures).toMatch(/Modules: attn\s+\d/)
      expect(figures).toMatch(/Operations\s+[\d.]+ of [\d.]+ [A-Z]FLOP/)
      expect(figures).toMatch(/Time of the sampler\s+[\d.]+ s/)
      await stage.shot('9-report-of-a-sampler')
    },
    TIMEOUT,
  )

  it('shows what a prediction says, and where the run parted from it', async () => {
    await report().getByLabel('Sampling run').selectOption({ label: 'Cache What-If, run 2' })
    expect(await report().locator('pre').innerText()).toMatch(/real run at 0.3: \d+ % computed[\s\S]*0: 100 % computed/)
    await stage.shot('9-what-if')
  })

  it('writes a tuned value into the node that it belongs to, as one step of undo', async () => {
    const { page } = stage
    await report().getByLabel('Sampling run').selectOption({ label: 'Tune Cache, run 2' })
    const button = report().locator('button.adopt')
    const value = /threshold ([\d.]+)/.exec(await button.innerText())![1]!
    await stage.shot('9-tuned')
    await button.click()
    await page.getByText('Written into DiCache.').first().waitFor()
    const thresholdOf = () =>
      page.evaluate(() => {
        const draft = JSON.parse(localStorage.getItem('heddle.draft') ?? '{}') as {
          workflow: { nodes: { type: string; widgets_values: unknown[] }[] }
        }
        return draft.workflow.nodes.find(({ type }) => type === 'DiCache')!.widgets_values[2]
      })
    await expect.poll(thresholdOf, { timeout: 10_000 }).toBe(Number(value))
    await page.locator('main canvas').focus()
    await page.keyboard.press('Control+z')
    await expect.poll(thresholdOf, { timeout: 10_000 }).toBe(0.3)
  })

  it(
    'warns on the node and in the report when nothing was skipped',
    async () => {
      await run('cautious', 0.0001)
      const sampler = stage.page.locator('heddle-outline li', { hasText: 'KSampler' })
      expect(await sampler.textContent()).toMatch(/Warning: DiCache is on but skipped nothing/)
      await tab('Cache report').click()
      await report().getByLabel('Sampling run').selectOption({ label: 'KSampler' })
      expect(await report().locator('.warning').innerText()).toMatch(/skipped nothing/)
      await stage.shot('9-warning')
    },
    TIMEOUT,
  )

  it(
    'has the reports of finished results again after the server and the page began anew',
    async () => {
      const { page } = stage
      await stage.restart(() => page.locator('heddle-toolbar .connection.lost').waitFor())
      await page.locator('heddle-toolbar .connection.open').waitFor({ timeout: 60_000 })
      await page.reload()
      await tab('Cache report').click()
      expect(await report().locator('svg.weave').count()).toBe(0)
      await tab('Results').click()
      const results = page.locator('heddle-gallery article')
      expect(await results.nth(1).locator('.line').innerText()).toMatch(/DiCache [\d.]+×/)
      await results.first().getByRole('button', { name: 'Report', exact: true }).click()
      await report().getByText('A finished result.').waitFor()
      await report().getByLabel('Sampling run').selectOption({ label: 'DiCache · node 6' })
      await report().locator('svg.weave[aria-label^="DiCache: 24 of 24 cells"]').waitFor()
      expect(await report().locator('.warning').innerText()).toMatch(/skipped nothing/)
      expect(await report().getByText('Accumulated drift against the threshold 0.0001').count()).toBe(1)
      await stage.shot('9-finished-result')
      await report().getByRole('button', { name: 'Back to the open workflow' }).click()
      await report().getByText('The weave of a sampling run appears here').waitFor()
    },
    TIMEOUT,
  )

  it('never complained', () => {
    const kept = stage.complaints.filter(
      (text) => !/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/.test(text),
    )
    expect(kept).toEqual([])
  })
})
