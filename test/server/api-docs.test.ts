/** docs/api.md and the TypeScript client against a real server: every command and program in the page is run. */
import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Heddle, HeddleError } from '../../client/sdk/heddle.ts'
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
    await expect(heddle.job('nobody')).rejects.toMatchObject({ status: 404 })
  })
})
