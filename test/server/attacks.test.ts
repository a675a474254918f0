/** Attacks on one running server over HTTP: other sites' pages, names in every place that takes one, files that browsers run. */
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { Client, chain, freshData, node, post, remaining, removeData, serve, type TestServer } from './harness.ts'

const SECRET = 'nobody may read this'
let server: TestServer
let data: string

beforeAll(async () => {
  data = await freshData()
  server = await serve(data)
  await writeFile(join(data, 'secret.txt'), SECRET)
  for (const folder of ['input', 'output', 'user']) await symlink(data, join(data, folder, 'out'))
  await symlink(join(data, 'secret.txt'), join(data, 'input', 'link.png'))
  await mkdir(join(data, 'output', 'sub'))
})
afterAll(async () => {
  await server.stop()
  await removeData(data)
})

/** A request as it is: fetch would tidy its path and headers. */
function raw(
  path: string,
  headers: Record<string, string> = {},
  body?: string,
  method = body === undefined ? 'GET' : 'POST',
) {
  return new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    const { hostname, port } = new URL(server.url)
    const sent = request({ hostname, port, path, method, headers, agent: false }, (response) => {
      let text = ''
      response.on('data', (part: Buffer) => (text += part.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

describe('pages of other sites', () => {
  it.each(['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain'])(
    'cannot send a form of %s to a route that changes something',
    async (type) => {
      const headers = { 'Content-Type': type, Referer: 'https://evil.example/' }
      for (const path of [
        '/prompt',
        '/queue',
        '/interrupt',
        '/history',
        '/free',
        '/upload/image',
        '/userdata/a.json',
        '/settings',
      ])
        expect((await raw(path, headers, '{}')).status, path).toBe(415)
      expect(await remaining(server.url)).toBe(0)
    },
  )

  it('cannot change anything by any method, nor read an answer', async () => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GET', 'HEAD'])
      for (const headers of [
        { Origin: 'https://evil.example' },
        { Origin: 'null' },
        { 'Sec-Fetch-Site': 'cross-site' },
      ]) {
        const answer = await raw('/api/queue', headers, undefined, method)
        expect([answer.status, answer.headers['access-control-allow-origin']], method).toEqual([403, undefined])
      }
    expect((await raw('/object_info')).headers['cross-origin-resource-policy']).toBe('same-origin')
  })

  it('cannot come in by a name that points here, whatever form the request has', async () => {
    const { host } = new URL(server.url)
    const port = host.split(':')[1] ?? ''
    for (const Host of [`evil.example:${port}`, `${host}.evil.example`, `evil.example@${host}`, `127.0.0.1.:${port}`])
      for (const path of ['/', '/ws', '/api/queue', '/view?filename=a', `http://${host}/history`])
        expect((await raw(path, { Host })).status, `${Host} ${path}`).toBe(421)
  })

  it('are met by an editor that runs its own scripts only', async () => {
    const policy = String((await raw('/')).headers['content-security-policy']).split(';')
    for (const rule of [
      "default-src 'self'",
      "script-src 'self'",
      "object-src 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ])
      expect(policy).toContain(rule)
    expect(policy.join()).not.toContain('unsafe-eval')
  })
})

describe('the events of a client', () => {
  it('stay its own: another with its own id hears none, and one with the same id takes none away', async () => {
    const [owner, stranger] = [await Client.connect(server, 'owner-of-it'), await Client.connect(server, 'owner-of-i')]
    const twin = await Client.connect(server, 'owner-of-it')
    const id = await owner.run(chain(41))
    expect(owner.story(id)).toContain('execution_success')
    expect(stranger.log.filter(({ data: told }) => told['prompt_id'] === id)).toEqual([])
    for (const one of [owner, stranger, twin]) one.close()
  })

  it('go to ids of 128 random bits when the server makes them', async () => {
    const sids = new Set<unknown>()
    for (let count = 0; count < 4; count++) {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/ws`)
      const first = await new Promise<string>((resolve) =>
        socket.once('message', (text: Buffer) => resolve(text.toString())),
      )
      const { data: told } = JSON.parse(first) as { data: { sid?: string } }
      expect(told.sid).toMatch(/^[0-9a-f]{32}$/)
      sids.add(told.sid)
      socket.terminate()
    }
    expect(sids.size).toBe(4)
  })
})

/** Names as they stand in a URL. */
const ESCAPES = [
  '..%2fsecret.txt', '%2e%2e%2fsecret.txt', '..%252fsecret.txt', '%252e%252e%252fsecret.txt', '..%5csecret.txt', '..%255csecret.txt',
  'out%2fsecret.txt', 'out%252fsecret.txt', 'secret.txt%00.json', '%00', '%2fetc%2fpasswd', '..%c0%afsecret.txt', '%2e%2e', 'a%2f..%2f..%2fsecret.txt',
  '%2e%2e%2e%2fsecret.txt', '%EF%BC%8E%EF%BC%8E%2fsecret.txt', 'secret.txt%3a%24DATA', '%7e%2fsecret.txt', 'x'.repeat(10_000),
] // prettier-ignore

describe('a name in a path', () => {
  it.each(ESCAPES)('%s leads nowhere', async (name) => {
    const places = [
      `/userdata/${name}`, `/api/userdata/${name}`, `/userdata?dir=${name}`, `/v2/userdata?path=${name}`,
      `/view?type=input&filename=${name}`, `/view?filename=a&subfolder=${name}`, `/heddle/workflows/${name}`,
      `/view_metadata/checkpoints?filename=${name}`, `/view_metadata/${name}?filename=a.safetensors`, `/models/${name}`,
      `/experiment/models/preview/checkpoints/0/${name}`, `/internal/files/${name}`, `/${name}`, `/assets/${name}`,
    ] // prettier-ignore
    for (const place of places) {
      const { status, text } = await raw(place)
      expect([400, 403, 404], `${place} ${text.slice(0, 200)}`).toContain(status)
      expect(text).not.toContain(SECRET)
    }
    for (const [method, place] of [
      ['POST', `/userdata/${name}`],
      ['DELETE', `/userdata/${name}`],
      ['POST', `/userdata/a.json/move/${name}`],
    ] as const)
      // A name with a plain character in it is a fair one: it is written, inside the folder.
      if ((await raw(place, {}, 'x', method)).status < 400) expect(name).toMatch(/^%(EF|7e)|%255c/)
    expect((await readdir(data)).sort()).toEqual(before)
  })
  let before: string[] = []
  beforeAll(async () => void (before = (await readdir(data)).sort()))

  it('is refused in an upload too', async () => {
    const picture = await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    for (const subfolder of [
      '..',
      '../output',
      'out',
      'out/sub',
      '/tmp',
      'a\\..\\..',
      'a\u0000b',
      'a/./b',
      ' ',
      'x'.repeat(9000),
    ]) {
      const form = new FormData()
      form.set('image', new Blob([new Uint8Array(picture)]), 'p.png')
      form.set('subfolder', subfolder)
      const { status } = await fetch(`${server.url}/upload/image`, { method: 'POST', body: form })
      expect(status, JSON.stringify(subfolder)).toBe(400)
    }
    expect((await readdir(data)).sort()).toEqual(before)
  })
})

const NAMES = [
  '../secret.txt',
  'out/secret.txt',
  '/etc/passwd',
  '..\\secret.txt',
  'a\u0000.png',
  '../secret.txt [output]',
  'x'.repeat(10_000),
]

describe('a name in a prompt', () => {
  it.each([
    ['LoadImage', 'image'],
    ['LoadImageMask', 'image'],
    ['UNETLoader', 'unet_name'],
    ['CheckpointLoaderSimple', 'ckpt_name'],
    ['VAELoader', 'vae_name'],
    ['LoraLoaderModelOnly', 'lora_name'],
  ])('%s: refused, and the answer names %s', async (type, input) => {
    for (const name of NAMES) {
      const loader = node(type, { [input]: name, channel: 'red' })
      const prompt = { 1: loader, 2: node('PreviewAny', { source: ['1', 0] }) }
      const { status, json, text } = await post(server.url, '/prompt', { prompt })
      expect(status, text).toBe(400)
      const faults = json.node_errors['1']?.errors.filter(({ extra_info }) => extra_info.input_name === input)
      expect(
        faults?.map((fault) => fault.type),
        text,
      ).toEqual(['value_not_in_list'])
    }
  })

  it('a link in the input folder is not followed out of it', async () => {
    const client = await Client.connect(server)
    const image = node('LoadImage', { image: 'link.png' })
    const id = await client.run({ 1: image, 2: node('PreviewImage', { images: ['1', 0] }) })
    expect(client.event(id, 'execution_error')).toMatchObject({ node_id: '1', exception_type: 'OutsideError' })
    client.close()
  })

  it('SaveImage: refused, and the message names filename_prefix', async () => {
    const client = await Client.connect(server)
    for (const filename_prefix of [
      '../o',
      'out/o',
      '/tmp/o',
      'a\\b',
      'a\u0000b',
      '%2e%2e/../o',
      'con',
      'x'.repeat(2000),
    ]) {
      const id = await client.run({
        1: node('EmptyImage', { width: 1, height: 1, batch_size: 1, color: 0 }),
        2: node('SaveImage', { images: ['1', 0], filename_prefix }),
      })
      expect(client.event(id, 'execution_error'), filename_prefix).toMatchObject({
        node_id: '2',
        exception_type: 'OutsideError',
        exception_message: expect.stringContaining('filename_prefix') as unknown,
      })
    }
    client.close()
  })
})

describe('a file that a browser might run', () => {
  const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><script>alert(1)</script></svg>'
  it.each([
    'a.html',
    'a.HTM',
    'a.xhtml',
    'a.svg',
    'a.js',
    'a.mjs',
    'a.xml',
    'a.pdf',
    'a.png.html',
    'a.css',
    'a.wasm',
    'none',
  ])('%s leaves as a download without a type', async (name) => {
    await writeFile(join(data, 'output', name), SVG)
    const { headers } = await raw(`/view?filename=${name}`)
    expect(headers['content-disposition']).toMatch(/^attachment;/)
    expect(headers).toMatchObject({ 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff' })
    await post(server.url, `/userdata/${name}`, SVG)
    const kept = (await raw(`/userdata/${name}`)).headers
    expect(kept['content-disposition']).toMatch(/^attachment;/)
    expect(kept).toMatchObject({ 'content-type': 'application/octet-stream', 'x-content-type-options': 'nosniff' })
  })

  it('is no picture to any route, whatever its name', async () => {
    for (const folder of ['output', 'input']) await writeFile(join(data, folder, 'drawn.png'), SVG)
    for (const how of ['preview=webp', 'preview=jpeg;90', 'channel=a', 'channel=rgb'])
      expect((await raw(`/view?filename=drawn.png&${how}`)).status, how).toBe(415)
    const form = new FormData()
    form.set('image', new Blob([SVG]), 'drawn.png')
    expect((await fetch(`${server.url}/upload/image`, { method: 'POST', body: form })).status).toBe(400)
    const client = await Client.connect(server)
    const image = node('LoadImage', { image: 'drawn.png' })
    const id = await client.run({ 1: image, 2: node('PreviewImage', { images: ['1', 0] }) })
    expect(client.event(id, 'execution_error')).toMatchObject({ node_id: '1' })
    client.close()
  })
})
