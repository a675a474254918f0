/** Hostile workflow files in a real browser: whatever they hold is text, and none of it runs. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { layoutNode } from '../../client/canvas/layout.ts'
import type { NodeType } from '../../client/model/node-types.ts'
import { parseNodeTypes } from '../../client/model/node-types.ts'
import { findBrowser, openStage, type Stage } from './stage.ts'

const executable = await findBrowser()
const SCRIPT = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
const CODE = '1;window.pwned=1'

/** One sampler whose every text is hostile; alone it is shown at full size. */
const SIZE: [number, number] = [320, 420]
const hostile = {
  last_node_id: 1,
  last_link_id: 1,
  nodes: [
    {
      id: 1,
      type: 'KSampler',
      title: SCRIPT,
      pos: [0, 0],
      size: SIZE,
      color: 'url(javascript:window.pwned=1)',
      inputs: [{ name: SCRIPT, type: SCRIPT, link: 1, label: SCRIPT }],
      outputs: [{ name: SCRIPT, type: SCRIPT, links: [1] }],
      properties: { 'Node name for S&R': SCRIPT, onMouseDown: CODE },
      widgets_values: [CODE, 'fixed', CODE, CODE, SCRIPT, SCRIPT, CODE],
      onDrawForeground: CODE,
      widgets: [{ type: 'number', value: CODE, callback: CODE }],
    },
  ],
  links: [[1, 1, 0, 1, 0, SCRIPT]],
  groups: [{ title: SCRIPT, bounding: [-40, -80, 400, 560], color: SCRIPT }],
  extra: { title: SCRIPT },
  config: { links_ontop: true, onclick: CODE },
  version: 0.4,
}

describe.skipIf(executable === null)('hostile workflows', () => {
  let stage: Stage
  let types: Map<string, NodeType>
  beforeAll(async () => {
    stage = await openStage(executable!)
    // A hostile server, too: file names and a pack's texts reach menus and tooltips.
    await stage.page.route('**/api/object_info', async (route) => {
      const info = (await (await route.fetch()).json()) as Record<string, Record<string, unknown>>
      const declared = info['KSampler']!['input'] as { required: Record<string, [string[], Record<string, unknown>]> }
      const [choices, options] = declared.required['sampler_name']!
      choices.unshift(SCRIPT)
      Object.assign(options, { tooltip: SCRIPT })
      info['KSampler']!['description'] = SCRIPT
      info['Evil'] = { ...info['KSampler'], display_name: SCRIPT, category: SCRIPT }
      await route.fulfill({ json: info })
    })
    await stage.page.reload()
    await stage.page.locator('#queue:enabled').waitFor()
    types = parseNodeTypes(await (await fetch(`${stage.url}/object_info`)).json()).types
  }, 180_000)
  afterAll(() => stage.close())
  beforeEach(() => stage.page.keyboard.press('Escape'))

  async function open(json: string, name = `${SCRIPT.replaceAll('/', '')}.json`): Promise<void> {
    const input = stage.page.locator('heddle-library input[type=file]')
    await input.setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from(json) })
    await stage.page.waitForTimeout(300)
  }
  const innocent = async (): Promise<void> => {
    expect(await stage.page.evaluate(() => (window as { pwned?: unknown }).pwned)).toBeUndefined()
    expect(await stage.page.evaluate(() => (({}) as { polluted?: unknown }).polluted)).toBeUndefined()
    expect(await stage.page.locator('img[onerror], script:not([src])').count()).toBe(0)
    expect(stage.complaints).toEqual([])
  }

  /** Page coordinates of a field of the only node, which stands in the middle of the canvas. */
  async function field(name: string): Promise<{ x: number; y: number }> {
    const rect = (await stage.page.locator('main canvas').boundingBox())!
    const { rows } = layoutNode(types.get('KSampler')!, SIZE, { threads: 0, media: false })
    const row = rows.find((candidate) => candidate.input.name === name && candidate.part === 'value')!
    return {
      x: rect.x + rect.width / 2 - SIZE[0] / 2 + row.x + row.width / 2,
      y: rect.y + rect.height / 2 - SIZE[1] / 2 + row.y + row.height / 2,
    }
  }
  const reveal = () =>
    stage.page.locator('heddle-outline li[data-node="1"] button').evaluate((button: HTMLElement) => button.click())

  it('open as text', async () => {
    await open(JSON.stringify(hostile).replace('"id":1,', '"id":1,"__proto__":{"polluted":1},'))
    expect(await stage.page.locator('heddle-outline li[data-node="1"]').textContent()).toContain(SCRIPT)
    await stage.shot('7-hostile')
    await innocent()
  })

  it('do not run from number fields, menus, choices, titles or tooltips', async () => {
    const { page } = stage
    await reveal()
    const steps = await field('steps')
    await page.mouse.click(steps.x, steps.y)
    const editor = page.locator('.field-editor')
    await editor.waitFor()
    expect(await editor.inputValue()).toBe(CODE)
    await editor.press('Enter')
    expect(await editor.getAttribute('aria-invalid')).toBe('true')
    await editor.fill('12')
    await editor.press('Enter')
    await editor.waitFor({ state: 'detached' })

    const choice = await field('sampler_name')
    await page.mouse.click(choice.x, choice.y)
    await page.getByRole('menu', { name: 'sampler_name' }).waitFor()
    expect(await page.getByRole('menuitemradio').first().textContent()).toBe(SCRIPT)
    await stage.shot('8-choice')
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Add node' }).click()
    await page.getByRole('searchbox').fill('onerror')
    expect(await page.getByRole('menuitem').first().textContent()).toContain(SCRIPT)
    await page.keyboard.press('Escape')

    const rect = (await page.locator('main canvas').boundingBox())!
    const title = { x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 - SIZE[1] / 2 - 15 }
    await page.mouse.click(title.x, title.y, { button: 'right' })
    await page.getByRole('menu').waitFor()
    await stage.shot('9-menu')
    await page.keyboard.press('Escape')
    await page.mouse.move(title.x + 3, title.y)
    await page.locator('.tooltip:visible').waitFor()
    await page.mouse.dblclick(title.x, title.y)
    expect(await editor.inputValue()).toBe(SCRIPT)
    await editor.press('Escape')
    await innocent()
  })

  it('are refused by the server with words, not with scripts', async () => {
    const { page } = stage
    await page.locator('#queue').click()
    await page.locator('heddle-side .faults').waitFor()
    expect(await page.locator('heddle-side .faults').innerText()).toContain('problem')
    await stage.shot('10-faults')
    // The refusal itself is an answer with an error status, which browsers write to the console.
    stage.complaints.splice(
      0,
      stage.complaints.length,
      ...stage.complaints.filter((text) => !text.includes('/api/heddle/jobs')),
    )
    await innocent()
  })

  it('that are no workflows leave the canvas alone', async () => {
    const { page } = stage
    for (const bad of [
      '{',
      '[]',
      'null',
      '{"nodes":[{"id":1}]}',
      `{"nodes":${'['.repeat(5000)}${']'.repeat(5000)}}`,
      '{"a":1}',
    ]) {
      await open(bad, 'bad.json')
      expect(await page.locator('heddle-outline li[data-node="1"]').count()).toBe(1)
    }
    await innocent()
  })

  it('with unknown nodes keep them', async () => {
    const { page } = stage
    const strange = {
      id: 4,
      type: `Strange${SCRIPT}`,
      pos: [0, 0],
      widgets_values: [SCRIPT],
      inputs: [{ name: 'x', type: 'FOO', link: null }],
    }
    await open(JSON.stringify({ nodes: [strange], links: [] }))
    const item = page.locator('heddle-outline li[data-node="4"]')
    await item.waitFor({ state: 'attached' })
    expect(await item.getAttribute('data-state')).toBe('missing')
    await stage.shot('11-missing')
    await page.reload()
    await item.waitFor({ state: 'attached' })
    expect(await item.getAttribute('data-state')).toBe('missing')
    await innocent()
  })
})
