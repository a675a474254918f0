/** Files over HTTP: viewing, uploading, user data; names that try to leave their folder, and uploads that are no pictures. */
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Client, freshData, get, node, post, removeData, serve, type TestServer } from './harness.ts'

let server: TestServer
let data: string

beforeAll(async () => {
  data = await freshData()
  server = await serve(data, ['--max-upload-size', '1'])
  const output = join(data, 'output')
  await writeFile(join(data, 'secret.txt'), 'secret')
  await writeFile(join(output, 'page.html'), '<script>alert(1)</script>')
  await writeFile(
    join(output, 'drawing.svg'),
    '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
  )
  await writeFile(join(output, 'script.js'), 'alert(1)')
  await symlink(join(data, 'secret.txt'), join(output, 'link.txt'))
  await symlink('/etc', join(output, 'etc'))
  execFileSync('mkfifo', [join(output, 'pipe.png')])
  await mkdir(join(output, 'sub'))
  const pixels = Buffer.from([255, 0, 0, 128, 0, 255, 0, 255, 0, 0, 255, 0, 9, 9, 9, 255])
  await sharp(pixels, { raw: { width: 2, height: 2, channels: 4 } })
    .png()
    .toFile(join(output, 'sub', 'ä picture.png'))
})
afterAll(async () => {
  await server.stop()
  await removeData(data)
})

const picture = () =>
  sharp({ create: { width: 8, height: 8, channels: 3, background: '#446688' } })
    .png()
    .toBuffer()

async function upload(bytes: Uint8Array, name: string, fields: Record<string, string> = {}, route = '/upload/image') {
  const form = new FormData()
  form.set('image', new Blob([new Uint8Array(bytes)]), name)
  for (const [key, value] of Object.entries(fields)) form.set(key, value)
  const response = await fetch(server.url + route, { method: 'POST', body: form })
  const text = await response.text()
  return { status: response.status, text, json: (text.startsWith('{') ? JSON.parse(text) : {}) as { name?: string } }
}

const view = (query: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(`${server.url}/view?${query}`, { headers, method })

describe('/view', () => {
  const file = `subfolder=sub&filename=${encodeURIComponent('ä picture.png')}`

  it('gives bytes, ranges, and HEAD', async () => {
    const whole = await view(file)
    expect([whole.status, whole.headers.get('content-type')]).toEqual([200, 'image/png'])
    expect(whole.headers.get('content-disposition')).toMatch(/^inline/)
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff')
    const bytes = Buffer.from(await whole.arrayBuffer())
    const part = await view(file, { Range: 'bytes=0-7' })
    expect(part.status).toBe(206)
    expect(Buffer.from(await part.arrayBuffer())).toEqual(bytes.subarray(0, 8))
    const head = await view(file, {}, 'HEAD')
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.length)])
  })

  it('re-encodes and separates channels', async () => {
    const as = async (query: string) => sharp(Buffer.from(await (await view(`${file}&${query}`)).arrayBuffer()))
    expect((await (await as('preview=webp;50')).metadata()).format).toBe('webp')
    expect((await (await as('preview=jpeg')).metadata()).format).toBe('jpeg')
    expect(await (await as('channel=rgb')).raw().toBuffer()).toEqual(
      Buffer.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9]),
    )
    expect([...(await (await as('channel=a')).raw().toBuffer())]).toEqual([
      0, 0, 0, 128, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 255,
    ])
  })

  it.each([
    '../secret.txt',
    '..%2fsecret.txt',
    '%2e%2e/secret.txt',
    '..%252fsecret.txt',
    '..\\secret.txt',
    'a%00.png',
    '/etc/passwd',
    'sub/../../secret.txt',
    'link.txt',
    'etc/passwd',
    'pipe.png',
    '/dev/zero',
    'sub',
    '',
    '.',
    'x'.repeat(10_000),
    'C:secret',
    'con',
  ])('refuses %s quickly', async (name) => {
    const encoded = name.includes('%') ? name : encodeURIComponent(name)
    for (const query of [
      `filename=${encoded}`,
      `filename=a.png&subfolder=${encoded || '..'}`,
      `filename=${encoded}&preview=webp`,
    ]) {
      const started = Date.now()
      const answer = await view(query)
      expect([400, 403, 404], query).toContain(answer.status)
      expect(await answer.text()).not.toContain('secret')
      expect(Date.now() - started).toBeLessThan(1000)
    }
  })

  it('offers what a browser might run as a download', async () => {
    for (const name of ['page.html', 'drawing.svg', 'script.js']) {
      const answer = await view(`filename=${name}`)
      expect(answer.status).toBe(200)
      expect(answer.headers.get('content-disposition')).toMatch(/^attachment/)
      expect(answer.headers.get('content-type')).toMatch(/octet-stream/)
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })
})

describe('/upload/image', () => {
  it('keeps pictures, knows equal ones, numbers others, overwrites when told', async () => {
    const [first, other] = [
      await picture(),
      await sharp(await picture())
        .negate()
        .png()
        .toBuffer(),
    ]
    expect((await upload(first, 'a.png')).json).toEqual({ name: 'a.png', subfolder: '', type: 'input' })
    expect((await upload(first, 'a.png')).json.name).toBe('a.png')
    expect((await upload(other, 'a.png')).json.name).toBe('a (1).png')
    expect((await upload(other, 'a.png', { overwrite: 'true' })).json.name).toBe('a.png')
    expect((await upload(first, 'b.png', { subfolder: 'deep/er' })).json).toMatchObject({ subfolder: 'deep/er' })
    const { text } = await get(server.url, '/object_info/LoadImage')
    for (const name of ['a (1).png', 'a.png', 'deep/er/b.png']) expect(text).toContain(`"${name}"`)
  })

  it('refuses with a reason what cannot be read, and keeps nothing of it', async () => {
    const before = await readdir(join(data, 'input'))
    const good = await picture()
    const large = await sharp({ create: { width: 12_000, height: 12_000, channels: 3, background: 'white' } })
      .png()
      .toBuffer()
    const bad: [Uint8Array, string, Record<string, string>, number][] = [
      [Buffer.from('no picture'), 'x.png', {}, 400],
      [good.subarray(0, good.length - 20), 'cut.png', {}, 400],
      [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'x.svg', {}, 400],
      [large, 'bomb.png', {}, 400],
      [Buffer.alloc(2_000_000), 'big.png', {}, 413],
      [good, '../up.png', { subfolder: '..' }, 400],
      [good, 'x.png', { subfolder: '../..' }, 400],
      [good, 'x.png', { type: 'models' }, 400],
      [good, '.hidden', {}, 400],
    ]
    for (const [bytes, name, fields, status] of bad) {
      const answer = await upload(bytes, name, fields)
      expect(answer.status, `${name} ${answer.text}`).toBe(status)
      expect(answer.text.length).toBeGreaterThan(20)
    }
    expect((await post(server.url, '/upload/image', { image: { path: '/etc/passwd' } })).status).toBe(400)
    const broken = { 'Content-Type': 'multipart/form-data; boundary=x' }
    expect((await post(server.url, '/upload/image', '--x\r\nnonsense', broken)).status).toBe(400)
    expect(await readdir(join(data, 'input'))).toEqual(before)
    expect((await upload(good, 'after.png')).status).toBe(200)
  })

  it('puts the alpha of a mask on its original', async () => {
    await upload(await picture(), 'original.png')
    const mask = await sharp({
      create: { width: 8, height: 8, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0.5 } },
    })
      .png()
      .toBuffer()
    const ref = { original_ref: JSON.stringify({ filename: 'original.png', type: 'input' }) }
    expect((await upload(mask, 'masked.png', ref, '/upload/mask')).status).toBe(200)
    const answer = await view('filename=masked.png&type=input')
    const pixel = (
      await sharp(Buffer.from(await answer.arrayBuffer()))
        .raw()
        .toBuffer()
    ).subarray(0, 4)
    expect([...pixel]).toEqual([0x44, 0x66, 0x88, 128])
    expect((await upload(mask, 'm.png', { original_ref: '{"filename":"../secret.txt"}' }, '/upload/mask')).status).toBe(
      400,
    )
  })
})

describe('/userdata', () => {
  const path = (name: string) => `/userdata/${encodeURIComponent(name)}`

  it('saves, lists, opens, moves and removes workflows as the editor does', async () => {
    expect((await post(server.url, `/api${path('workflows/a.json')}?overwrite=false`, '{"nodes":[]}')).json).toBe(
      'workflows/a.json',
    )
    expect((await post(server.url, `${path('workflows/a.json')}?overwrite=false`, '{}')).status).toBe(409)
    expect((await get(server.url, '/userdata?dir=workflows&recurse=true')).json).toEqual(['a.json'])
    const full = await get(server.url, '/userdata?dir=workflows&recurse=true&split=false&full_info=true')
    expect(full.json).toMatchObject([{ path: 'a.json', size: 12 }])
    expect((await get(server.url, path('workflows/a.json'))).json).toEqual({ nodes: [] })
    expect(
      (await post(server.url, `${path('workflows/a.json')}/move/${encodeURIComponent('workflows/sub/b.json')}`, ''))
        .status,
    ).toBe(200)
    expect((await get(server.url, path('workflows/a.json'))).status).toBe(404)
    const removed = await fetch(server.url + path('workflows/sub/b.json'), { method: 'DELETE' })
    expect(removed.status).toBe(204)
    expect((await get(server.url, '/userdata?dir=nothing')).status).toBe(404)
  })

  it('stays in its folder', async () => {
    for (const name of ['../secret.txt', '../heddle.db', '/etc/passwd', 'a\\..\\b', 'a/../../b']) {
      expect((await get(server.url, path(name))).status, name).toBe(403)
      expect((await post(server.url, path(name), 'x')).status, name).toBe(403)
    }
    expect((await get(server.url, '/userdata?dir=..')).status).toBe(403)
  })

  it('keeps settings by name', async () => {
    await post(server.url, '/settings', { 'Comfy.A': 1, __nested: { b: [true] } })
    await post(server.url, '/settings/Comfy.B', 'true', { 'Content-Type': 'text/plain' })
    expect((await get(server.url, '/settings')).json).toEqual({
      'Comfy.A': 1,
      'Comfy.B': true,
      __nested: { b: [true] },
    })
    expect((await get(server.url, '/settings/nothing')).text).toBe('null')
  })
})

it('names in a prompt are confined too', async () => {
  const client = await Client.connect(server)
  for (const filename_prefix of ['../out', '/tmp/out', 'etc/out', 'a\\b', 'x\u0000y']) {
    const id = await client.run({
      1: node('TestConst', { value: 1 }),
      2: node('TestSave', { value: ['1', 0], noise_seed: 1, filename_prefix }),
    })
    expect(client.event(id, 'execution_error'), filename_prefix).toMatchObject({
      node_id: '2',
      exception_type: 'OutsideError',
    })
  }
  const refused = await post(server.url, '/prompt', {
    prompt: { 1: node('LoadImage', { image: '../secret.txt' }), 2: node('PreviewImage', { images: ['1', 0] }) },
  })
  expect([refused.status, refused.json.node_errors['1']!.errors[0]!.type]).toEqual([400, 'value_not_in_list'])
  client.close()
})
