/** The editor in a real browser on the real server: the shipped workflow runs, and shows what it does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { webm } from '../formats/containers.ts'
import { findBrowser, openStage, type Stage } from './stage.ts'

const executable = await findBrowser()
const TIMEOUT = 180_000
const SHIPPED = 'text-to-image-dicache'
const LONG_SEED = '18446744073709551615'

describe.skipIf(executable === null)('the editor', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage(executable!)
  }, TIMEOUT)
  afterAll(() => stage.close())

  const nodes = () => stage.page.locator('heddle-outline li')
  const tab = (name: string | RegExp) => stage.page.getByRole('tab', { name })

  /** The shipped workflow, to be changed. */
  const shipped = async () =>
    (await (await fetch(`${stage.url}/api/heddle/workflows/${SHIPPED}`)).json()) as {
      nodes: { type: string; widgets_values: unknown[] }[]
    }
  const openFile = async (name: string, mimeType: string, content: string | Buffer): Promise<void> => {
    const input = stage.page.locator('heddle-library input[type=file]')
    await input.setInputFiles({ name, mimeType, buffer: Buffer.from(content) })
    await stage.page.locator('heddle-toolbar .name', { hasText: name.split('.')[0]! }).waitFor()
  }
  const openShipped = async (): Promise<void> => {
    await openFile('again.json', 'application/json', JSON.stringify(await shipped()))
  }

  it(
    'runs the workflow that it opens with: weave, picture in the node and in the gallery',
    async () => {
      const { page } = stage
      await page.locator('#queue:enabled').waitFor()
      expect(await nodes().count()).toBeGreaterThan(5)
      await stage.shot('1-opened')

      await page.locator('#queue').click()
      const woven = page.locator('heddle-outline li:not([data-cells="0"])')
      await woven.first().waitFor({ state: 'attached', timeout: 120_000 })
      await stage.shot('2-sampling')

      await page
        .locator('heddle-outline li[data-state="has pictures"]')
        .first()
        .waitFor({ state: 'attached', timeout: 120_000 })
      const run = page.locator('heddle-gallery article[data-outcome="success"]')
      await run.waitFor({ timeout: 60_000 })
      await page.waitForFunction(() => {
        const image = document
          .querySelector('heddle-side')
          ?.shadowRoot?.querySelector('heddle-gallery')
          ?.shadowRoot?.querySelector('img')
        return image?.complete === true && image.naturalWidth > 0
      })
      expect(await run.locator('.line').innerText()).toMatch(/\d s/)
      expect(Number(await woven.first().getAttribute('data-cells'))).toBeGreaterThan(3)
      await stage.shot('3-finished')
    },
    TIMEOUT,
  )

  it('showed live previews in the node that samples', async () => {
    const sampler = stage.page.locator('heddle-outline li:not([data-cells="0"])')
    expect(await sampler.getAttribute('data-preview')).toBe('true')
  })

  it('shows the report of the run, with numbers for every cell', async () => {
    const { page } = stage
    await tab('Cache report').click()
    const weave = page.locator('heddle-report svg.weave')
    await weave.waitFor()
    expect(await weave.getAttribute('aria-label')).toMatch(/of \d+ blocks computed/)
    expect(await weave.locator('title').first().textContent()).toMatch(/Step 1, cond: full \(first\)[\s\S]*blocks/)
    await stage.shot('4-report')
  })

  it('opens the workflow that a result carries', async () => {
    const { page } = stage
    await tab('Results').click()
    const before = await nodes().count()
    const source = await page.locator('heddle-gallery img').first().getAttribute('src')
    const bytes = Buffer.from(await (await fetch(new URL(source!, stage.url))).arrayBuffer())
    await openFile('from-a-picture.png', 'image/png', bytes)
    await page.locator('heddle-toolbar .name', { hasText: 'from-a-picture' }).waitFor()
    expect(await nodes().count()).toBe(before)
  })

  it('opens the workflow that a video carries, and unfolds its group node when it is queued', async () => {
    const { page } = stage
    const make = { type: 'EmptyImage', outputs: [{ name: 'IMAGE', type: 'IMAGE' }], widgets_values: [8, 8, 1, 255] }
    const show = { type: 'PreviewImage', inputs: [{ name: 'images', type: 'IMAGE' }] }
    const picture = { nodes: [make, show], links: [[0, 0, 1, 0, 1, 'IMAGE']], external: [] }
    const group = { id: 7, type: 'workflow>picture', title: 'Picture', widgets_values: [40, 24, 1, 65280] }
    const workflow = JSON.stringify({ nodes: [group], links: [], extra: { groupNodes: { picture } } })
    await openFile('a-film.webm', 'video/webm', webm({ WORKFLOW: workflow }))
    expect(await nodes().allInnerTexts()).toEqual([expect.stringContaining('Picture')])
    expect(await page.locator('heddle-toasts').innerText()).not.toContain('lacks')
    await page.locator('#queue').click()
    await page.locator('heddle-outline li[data-state="has pictures"]').waitFor({ state: 'attached', timeout: 60_000 })
    await tab('Results').click()
    await page.waitForFunction(() => {
      const images = document.querySelector('heddle-side')?.shadowRoot?.querySelector('heddle-gallery')?.shadowRoot
      const image = images?.querySelector('img')
      return image?.naturalWidth === 40 && image.naturalHeight === 24
    })
    await stage.shot('11-group-node')
  })

  it('cancels what runs and what waits', { timeout: 120_000 }, async () => {
    const { page } = stage
    const workflow = await shipped()
    for (const node of workflow.nodes) if (node.type === 'KSampler') node.widgets_values[2] = 5000
    await openFile('long.json', 'application/json', JSON.stringify(workflow))
    await page.locator('#queue').click()
    await page.locator('#cancel:enabled').waitFor()
    await page.locator('main canvas').focus()
    await page.keyboard.press('Control+Enter')
    await tab(/Queue/).click()
    await page.locator('heddle-queue li.pending button').click()
    await page.locator('heddle-queue li.pending').waitFor({ state: 'detached' })
    await stage.shot('5-queue')
    await page.locator('#cancel').click()
    await page.locator('heddle-queue li').waitFor({ state: 'detached' })
    await tab('Results').click()
    const cancelled = page.locator('heddle-gallery article[data-outcome="cancelled"]')
    await cancelled.first().waitFor()
    expect(await cancelled.count()).toBe(2)
  })

  it('shows a fault on the node and the field that caused it', async () => {
    const { page } = stage
    const workflow = await shipped()
    for (const node of workflow.nodes) if (node.type === 'KSampler') node.widgets_values[2] = 99999999
    await openFile('faulty.json', 'application/json', JSON.stringify(workflow))
    await page.locator('#queue').click()
    await page.locator('heddle-side .faults').waitFor()
    expect(await page.locator('heddle-side .faults').innerText()).toMatch(/KSampler · steps[\s\S]*bigger than max/)
    expect(await page.locator('heddle-outline li[data-state="failed"]').textContent()).toContain('steps')
    await stage.shot('6-fault')
    // The refusal is an answer with an error status, which browsers write to the console.
    const refusal = stage.complaints.findIndex((text) => text.includes('/api/heddle/jobs'))
    expect(refusal).toBeGreaterThanOrEqual(0)
    stage.complaints.splice(refusal, 1)
    await openShipped()
  })

  it('shows a result large', async () => {
    const { page } = stage
    await tab('Results').click()
    await page.locator('heddle-gallery .picture').first().click()
    await page.locator('heddle-viewer dialog[open] img').waitFor()
    await stage.shot('5-large')
    await page.keyboard.press('Escape')
    await page.locator('heddle-viewer dialog[open]').waitFor({ state: 'detached' })
  })

  it('undoes and redoes, saves with every digit of a seed, and opens again', async () => {
    const { page } = stage
    const workflow = await shipped()
    for (const node of workflow.nodes) if (node.type === 'KSampler') node.widgets_values.splice(0, 2, 'SEED', 'fixed')
    await openFile('long-seed.json', 'application/json', JSON.stringify(workflow).replace('"SEED"', LONG_SEED))
    const before = await nodes().count()
    await page.locator('main canvas').focus()
    await page.keyboard.press('Control+a')
    await page.keyboard.press('Delete')
    await page.waitForFunction(
      () => document.querySelector('heddle-outline')?.shadowRoot?.querySelectorAll('li').length === 0,
    )
    await page.keyboard.press('Control+z')
    await page.waitForFunction(
      (count) => document.querySelector('heddle-outline')?.shadowRoot?.querySelectorAll('li').length === count,
      before,
    )

    await page.getByRole('button', { name: 'Save', exact: true }).click()
    await page.getByLabel('Name').fill('Mine &amp; yours')
    await page.locator('heddle-library').getByRole('button', { name: 'Save' }).click()
    await page.getByText("Saved as 'Mine &amp; yours'").waitFor()
    const saved = `${stage.url}/api/userdata/${encodeURIComponent('workflows/Mine &amp; yours.json')}`
    expect(await (await fetch(saved)).text()).toContain(LONG_SEED)
    await page.getByRole('button', { name: 'Open', exact: true }).first().click()
    await page.getByRole('button', { name: 'Text to image', exact: true }).click()
    await page.locator('heddle-toolbar .name', { hasText: 'Text to image' }).waitFor()
    await page.getByRole('button', { name: 'Open', exact: true }).first().click()
    await stage.shot('6-library')
    await page.getByRole('button', { name: 'Mine &amp; yours', exact: true }).click()
    await page.locator('heddle-toolbar .name', { hasText: 'Mine' }).waitFor()
    expect(await nodes().count()).toBe(before)
  })

  it('keeps the draft over a reload', async () => {
    const { page } = stage
    const before = await nodes().count()
    await page.reload()
    await page.locator('heddle-toolbar .name', { hasText: 'Mine' }).waitFor()
    expect(await nodes().count()).toBe(before)
  })

  it('takes two fingers for zooming, not for a click', async () => {
    const { page } = stage
    const before = await page.locator('main canvas').screenshot()
    const devtools = await page.context().newCDPSession(page)
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', spread: number | null) =>
      devtools.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: spread === null ? [] : [-1, 1].map((side, id) => ({ x: 480 + side * spread, y: 400, id })),
      })
    await touch('touchStart', 40)
    for (let spread = 50; spread <= 150; spread += 20) await touch('touchMove', spread)
    await touch('touchEnd', null)
    await page.waitForTimeout(200)
    expect(await page.locator('.menu').count()).toBe(0)
    expect((await page.locator('main canvas').screenshot()).equals(before)).toBe(false)
    await stage.shot('8-pinched')
  })

  it('connects again when the server was away, and has its results again', async () => {
    const { page } = stage
    await tab('Results').click()
    const runs = await page.locator('heddle-gallery article').count()
    expect(runs).toBeGreaterThan(0)
    await stage.restart(() => page.locator('heddle-toolbar .connection.lost').waitFor())
    await page.locator('heddle-toolbar .connection.open').waitFor({ timeout: 20_000 })
    await page.getByText('Connected again.').first().waitFor()
    expect(await page.locator('heddle-gallery article').count()).toBe(runs)
    // While the server is away the browser itself writes down every failed attempt.
    const kept = stage.complaints.filter(
      (text) => !/ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/.test(text),
    )
    stage.complaints.splice(0, stage.complaints.length, ...kept)
  })

  it('never complained', () => {
    expect(stage.complaints).toEqual([])
  })
})
