/** Saved workflows: conversion as the official editor does it, posted whole, carried in pictures, run from the command line. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embeddedWorkflow } from '../../formats/metadata/read.ts'
import type { ObjectInfo } from '../../server/engine/protocol.ts'
import { parseExact } from '../../server/json.ts'
import { checkConversions } from '../../server/workflow/check.ts'
import { toPrompt } from '../../formats/workflow/to-prompt.ts'
import { openWorkflow, readWorkflowFile, setInput } from '../../server/workflow/open.ts'
import { webm } from '../formats/containers.ts'
import { chain, Client, entryOf, freshData, heddle, node, PACK, post, removeData, serve } from './harness.ts'

const CASES = join(import.meta.dirname, '../fixtures/workflow-to-prompt-a.json')

/** A saved workflow 1 -> 2 (bypassed) -> 3. */
const saved = {
  version: 0.4,
  nodes: [
    { id: 1, type: 'TestConst', order: 0, mode: 0, outputs: [{ type: 'INT', links: [1] }], widgets_values: [41] },
    {
      ...{ id: 2, type: 'TestAdd', order: 1, mode: 4, widgets_values: [0, 1], outputs: [{ type: 'INT', links: [2] }] },
      inputs: [{ name: 'a', type: 'INT', link: 1, widget: { name: 'a' } }],
    },
    { id: 3, type: 'TestShow', order: 2, mode: 0, inputs: [{ name: 'value', type: 'INT', link: 2 }] },
  ],
  links: [
    [1, 1, 0, 2, 0, 'INT'],
    [2, 2, 0, 3, 0, 'INT'],
  ],
}

let data: string
beforeAll(async () => {
  data = await freshData()
})
afterAll(() => removeData(data))

const file = async (name: string, content: unknown) => {
  const path = join(data, name)
  await writeFile(path, typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content))
  return path
}
const run = (path: string, ...more: string[]) =>
  heddle(['run', path, '--data', data, '--nodes', PACK, '--json', ...more])

describe('conversion', () => {
  it('makes of every case what the official editor made', async () => {
    const results = await checkConversions(CASES)
    expect(results.length).toBe(13)
    expect(results.filter(({ pass }) => !pass)).toEqual([])
  })

  it('the check sees a difference', async () => {
    const cases = JSON.parse(await readFile(CASES, 'utf8')) as {
      cases: { plain: { api: Record<string, { inputs: { value: number } }> } }
    }
    cases.cases.plain.api['1']!.inputs.value++
    const results = await checkConversions(await file('changed.json', cases))
    expect(results.filter(({ pass }) => !pass).map(({ name }) => name)).toEqual(['plain'])
    expect((await heddle(['check', await file('workflow-to-prompt-b.json', cases)])).code).toBe(1)
    expect((await heddle(['check', CASES])).code).toBe(0)
  })

  it('ends for reroutes in a circle and subgraphs that contain themselves', () => {
    const reroute = (id: number, link: number) => ({
      id,
      type: 'Reroute',
      inputs: [{ name: '', type: '*', link }],
      outputs: [{ type: '*' }],
    })
    const sink = { id: 9, type: 'TestShow', inputs: [{ name: 'value', type: 'INT', link: 1 }] }
    const links = [
      [1, 1, 0, 9, 0, '*'],
      [2, 2, 0, 1, 0, '*'],
      [3, 1, 0, 2, 0, '*'],
    ]
    const none = {} as ObjectInfo
    expect(toPrompt({ nodes: [reroute(1, 2), reroute(2, 3), sink], links }, none)['9']!.inputs).toEqual({})
    const inner = { id: 'sub', name: 'Sub', nodes: [{ id: 1, type: 'sub' }], links: [] }
    expect(() =>
      toPrompt({ nodes: [{ id: 1, type: 'sub' }], links: [], definitions: { subgraphs: [inner] } }, none),
    ).toThrow(/contains itself/)
    expect(() => toPrompt({ nodes: [{ type: 5 }] }, none)).toThrow(/nodes\.0\.id/)
  })
})

it('POST /prompt takes a saved workflow', async () => {
  const server = await serve(data)
  const client = await Client.connect(server)
  const id = await client.run(saved)
  expect(client.event(id, 'executed')).toMatchObject({ node: '3', output: { text: ['41'] } })
  expect((await entryOf(server.url, id)).prompt[3].extra_pnginfo.workflow.nodes).toHaveLength(3)
  const unknown = { ...saved, nodes: [...saved.nodes, { id: 8, type: 'Gone', title: 'My gone node' }] }
  const refused = await post(server.url, '/prompt', { prompt: unknown })
  expect([refused.status, refused.json.error.type]).toEqual([400, 'missing_node_type'])
  expect(refused.json.error.message).toContain('My gone node')
  client.close()
  await server.stop()
})

describe('heddle run', () => {
  it('runs either format, with inputs changed, and prints one document', async () => {
    const prompt = { ...chain(1), 4: node('TestSave', { value: ['2', 0], noise_seed: 5, filename_prefix: 'cli/x' }) }
    const out = join(data, 'elsewhere')
    const { code, stdout } = await run(
      await file('prompt.json', prompt),
      '--set',
      '4.noise_seed=18446744073709551615',
      '--set',
      '2.b=9',
      '--out',
      out,
    )
    expect(code).toBe(0)
    const document = JSON.parse(stdout) as { status: string; outputs: { file: string }[] }
    expect(document).toMatchObject({ status: 'success', reports: [], errors: [] })
    expect(document.outputs).toEqual([{ node: '4', file: join(out, 'cli/x_00001_.txt'), type: 'output' }])
    expect(await readFile(document.outputs[0]!.file, 'utf8')).toBe('4: 10 18446744073709551615 bigint')
    expect((await run(await file('saved.json', saved))).code).toBe(0)
  })

  it('reports what samplers did', async () => {
    const prompt = { 1: node('TestPreview', { frames: 3, seed: 1 }), 2: node('TestShow', { value: ['1', 0] }) }
    const { code, stdout } = await run(await file('report.json', prompt))
    expect(code).toBe(0)
    const [report] = (JSON.parse(stdout) as { reports: unknown[] }).reports
    expect(report).toMatchObject({
      node: '1',
      method: 'TestPreview',
      evaluations: 3,
      computed_blocks: 14,
      total_blocks: 36,
      seconds: 0.25,
    })
    expect((report as { decisions: { decision: string }[] }).decisions.map(({ decision }) => decision)).toEqual([
      'full',
      'skipped',
      'skipped',
    ])
  })

  it.each<[string, unknown, RegExp, string[]]>([
    [
      'a failing node',
      {
        ...chain(1),
        4: node('TestFail', { value: ['2', 0], message: 'broken' }),
        5: node('TestShow', { value: ['4', 0] }),
      },
      /broken/,
      [],
    ],
    ['a missing type', { 1: node('Nothing') }, /Nothing/, []],
    ['a wrong value', chain('x' as unknown as number), /whole number/, []],
    [
      'a crash of the engine',
      { ...chain(1), 4: node('TestCrash', { value: ['2', 0], once: '' }), 5: node('TestShow', { value: ['4', 0] }) },
      /SIGKILL/,
      [],
    ],
    ['no JSON', '{"1":', /not JSON/, []],
    ['an unknown node in --set', chain(1), /no node 77/, ['--set', '77.a=1']],
    ['an unknown input in --set', chain(1), /no input 'c'; it has a, b/, ['--set', '2.c=1']],
  ])('%s: exit code 1 and one document that says so', async (_, content, message, more) => {
    const { code, stdout } = await run(await file('bad.json', content), ...more)
    expect(code).toBe(1)
    const document = JSON.parse(stdout) as { status: string; errors: { message: string }[] }
    expect(document.status).toBe('error')
    expect(document.errors.map((error) => error.message).join()).toMatch(message)
  })

  it('a file that is not there, which is told before an engine starts', async () => {
    const missing = join(data, 'missing.json')
    const { code, stdout } = await run(missing)
    const { errors, seconds } = JSON.parse(stdout) as { errors: { message: string }[]; seconds: number }
    expect([code, errors.map(({ message }) => message)]).toEqual([1, [`There is no file ${missing}`]])
    expect(seconds).toBeLessThan(0.3)
  })

  it('a file of bytes that are no text, without sending them to the terminal', async () => {
    const path = join(data, 'noise.png')
    await writeFile(path, Buffer.from([0x1b, 0x5b, 0x32, 0x4a, 0, 0xff, 0xfe]))
    const { stdout } = await run(path)
    const { errors } = JSON.parse(stdout) as { errors: { message: string }[] }
    expect(errors[0]?.message).toBe(`${path} is neither JSON nor a picture or video of a known format`)
  })

  it('writes pictures that carry their workflow, and runs those again', async () => {
    const pixels = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'teal' } })
      .png()
      .toBuffer()
    await file('input/teal.png', pixels)
    const prompt = {
      1: node('LoadImage', { image: 'teal.png' }),
      2: node('SaveImage', { images: ['1', 0], filename_prefix: 'ä' }),
    }
    const first = await run(await file('picture.json', prompt))
    expect(first.code, first.stdout).toBe(0)
    const [picture] = (JSON.parse(first.stdout) as { outputs: { file: string }[] }).outputs
    expect(await embeddedWorkflow(await readFile(picture!.file), parseExact)).toEqual(prompt)
    expect((await run(picture!.file)).code).toBe(0)
    expect((await run(join(data, 'input/teal.png'))).code).toBe(1)
  })
})

it('a video is opened by the workflow that it carries, a file without one is named', async () => {
  const none = {} as ObjectInfo
  const path = await file(
    'film.webm',
    webm({ PROMPT: '{"2":{"class_type":"A","inputs":{"seed":18446744073709551615}}}' }),
  )
  const { prompt } = openWorkflow(path, await readWorkflowFile(path), none)
  expect(prompt['2']).toMatchObject({ inputs: { seed: 18446744073709551615n } })
  const empty = readWorkflowFile(await file('empty.webm', webm({})))
  await expect(empty).rejects.toThrow(/empty\.webm is a picture or a video that carries no workflow/)
})

it('--set takes JSON or text, for ids with dots and colons too', () => {
  const classes = { T: { input_order: { required: ['x', 'text'] } } } as unknown as ObjectInfo
  const prompt = { '5:6.1': node('T', { x: 1 }) }
  const inputs = (setting: string) => (setInput(prompt, setting, classes)['5:6.1'] as { inputs: unknown }).inputs
  expect(inputs('5:6.1.x=18446744073709551615')).toEqual({ x: 18446744073709551615n })
  expect(inputs('5:6.1.text=a = b.c')).toEqual({ x: 1, text: 'a = b.c' })
  expect(prompt['5:6.1'].inputs).toEqual({ x: 1 })
})
