/** docs/api.md and the TypeScript client against a real server: every command and program in the page is run. */
import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import { Heddle, HeddleError, type ServerEvent } from '../../client/sdk/heddle.ts'
import { freshData, node, removeData, serve, type TestServer } from './harness.ts'

const ROOT = join(import.meta.dirname, '../..')
const run = promisify(execFile)
let server: TestServer
let data: string
let page: string
beforeAll(async () => {
  data = await freshData()
  server = await serve(data)
  page = await readFile(join(ROOT, 'docs/api.md'), 'utf8')
})
afterAll(async () => {
  await server.stop()
  await removeData(data)
})

const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map((match) => match[1] ?? '')

describe('docs/api.md', () => {
  it('has commands that work, in their order', async () => {
    const commands = blocks('sh').filter((block) => block.startsWith('curl'))
    expect(commands.length).toBe(3)
    for (const command of commands) {
      const script = command
        .replaceAll('curl -s', 'curl -sS --fail-with-body')
        .replaceAll(/\ncurl/g, ' && echo && curl')
      const { stdout } = await run('bash', ['-ec', script], { cwd: data, env: { ...process.env, HEDDLE: server.url } })
      if (command.includes('my-first-job"\n')) expect(stdout).toContain('"status":"completed"')
    }
    expect((await sharp(join(data, 'picture.png')).metadata()).format).toBe('png')
  })

  it('has a program that works', async () => {
    const [program = ''] = blocks('ts')
    const path = join(data, 'example.mts')
    await writeFile(path, program.replace('./client/sdk/heddle.ts', join(ROOT, 'client/sdk/heddle.ts')))
    const env = { ...process.env, HEDDLE: server.url }
    const { stdout } = await run(process.execPath, ['--import', import.meta.resolve('tsx'), path], { env, cwd: ROOT })
    expect(stdout.split('\n')[0]).toBe('job')
    expect(stdout).toMatch(/\nend\n.*\.png \d{3,}/)
    await rm(path)
  })
})

describe('the TypeScript client', () => {
  it('submits, follows, uploads, fetches, moves, cancels and tells what was refused', async () => {
    const heddle = new Heddle(server.url)
    const png = await sharp({ create: { width: 9, height: 7, channels: 3, background: '#123456' } })
      .png()
      .toBuffer()
    const name = await heddle.upload(new Blob([new Uint8Array(png)]), 'sent.png')
    const done = await heddle.submit(
      { 1: node('LoadImage', { image: name }), 2: node('PreviewImage', { images: ['1', 0] }) },
      { wait: 20 },
    )
    expect(done.status).toBe('completed')
    const [file] = heddle.files(done)
    expect(await sharp(await heddle.download(file!)).metadata()).toMatchObject({ width: 9, height: 7 })

    await heddle.pause(true)
    const sleepy = { 1: node('TestConst', { value: 3 }), 2: node('TestShow', { value: ['1', 0] }) }
    const [a, b] = [await heddle.submit(sleepy), await heddle.submit(sleepy)]
    await heddle.move(b.id, { before: a.id })
    expect(await heddle.queue()).toEqual({ paused: true, running: [], pending: [b.id, a.id] })
    expect(await heddle.cancel(a.id)).toBe(true)
    await heddle.pause(false)
    expect((await heddle.wait(b.id)).status).toBe('completed')
    expect((await heddle.jobs(['cancelled'])).map(({ id }) => id)).toEqual([a.id])

    const refused = heddle.submit({ 1: { class_type: 'Nothing', inputs: {} } })
    await expect(refused).rejects.toThrow(HeddleError)
    await expect(heddle.job('nobody')).rejects.toMatchObject({ status: 404, faults: [{ node: null }] })
  })

  it('names the inputs at fault, of a prompt that is refused and of one that runs in part', async () => {
    const heddle = new Heddle(server.url)
    const wrong = node('TestShow', { value: ['1', 7] })
    const refusal = await heddle
      .submit({ 1: node('TestConst', { value: 'x' }), 2: wrong })
      .catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(HeddleError)
    expect((refusal as HeddleError).faults).toContainEqual(expect.objectContaining({ node: '1', input: 'value' }))
    const good = { 1: node('TestConst', { value: 3 }), 2: node('TestShow', { value: ['1', 0] }) }
    const part = await heddle.submit({ ...good, 3: node('TestShow', {}) }, { wait: 20 })
    expect([part.status, part.faults.map(({ node: id }) => id)]).toEqual(['completed', ['3']])
    expect((await heddle.submit(good)).faults).toEqual([])
  })

  it('hears of its prompts, lists what ended with workflow and report, forgets it', async () => {
    const heddle = new Heddle(server.url)
    const heard: string[] = []
    vi.stubGlobal('WebSocket', WebSocket)
    const connected = vi.fn()
    const handlers = {
      ...{ event: ({ type }: ServerEvent) => void heard.push(type), preview: () => void heard.push('preview') },
      ...{ connected, state: () => undefined },
    }
    const socket = heddle.connect(handlers, 'sdk-session')
    await vi.waitFor(() => expect(connected).toHaveBeenCalledWith(false))
    const workflow = { nodes: [], links: [], seed: 18446744073709551615n }
    const prompt = { 1: node('TestPreview', { frames: 2, seed: 1 }), 2: node('TestShow', { value: ['1', 0] }) }
    const { id } = await heddle.submit(prompt, {
      wait: 20,
      clientId: socket.id,
      extraData: { extra_pnginfo: { workflow } },
    })
    await vi.waitFor(() => expect(heard).toContain('execution_success'))
    expect(heard).toEqual(expect.arrayContaining(['execution_start', 'executed', 'heddle.cache', 'preview']))
    socket.close()
    vi.unstubAllGlobals()

    const [newest] = await heddle.history.newest(1)
    expect(newest).toMatchObject({ id, outcome: 'success', error: null, workflow })
    expect((await heddle.reports.of(id))[0]).toMatchObject({ node: '1', run: { method: 'TestPreview' } })
    expect((await heddle.reports.summaries()).get(id)).toHaveLength(1)
    await heddle.history.remove([id])
    expect((await heddle.history.newest()).some((item) => item.id === id)).toBe(false)
  })

  it('saves workflows with every digit, lists, reads and removes them', async () => {
    const { workflows } = new Heddle(server.url)
    const workflow = { nodes: [{ id: 1, type: 'X', widgets_values: [18446744073709551615n] }], links: [] }
    expect(await workflows.own()).toEqual([])
    expect(await workflows.save('a b/ж.json', workflow, false)).toBe(true)
    expect(await workflows.save('a b/ж.json', {}, false)).toBe(false)
    const [entry] = await workflows.own()
    expect(entry).toEqual({ name: 'a b/ж.json', title: 'a b/ж', shipped: false })
    expect(await workflows.read(entry!)).toEqual(workflow)
    await workflows.remove(entry!.name)
    await workflows.remove(entry!.name)
    await expect(workflows.read(entry!)).rejects.toThrow("no workflow 'a b/ж.json'")
    const [shipped] = await workflows.shipped()
    expect(await workflows.read(shipped!)).toHaveProperty('nodes')
  })
})
