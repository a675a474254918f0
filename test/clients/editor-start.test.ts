/** What ComfyUI's official editor asks for at its start, in its order, and what it does on Run, Cancel and Save, call by call. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { Client, freshData, heddle, removeData, serve, type TestServer } from '../server/harness.ts'
import { endless, picture } from './prompts.ts'

// Starting an engine takes long on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

const PAGE = '<!doctype html><title>Another editor</title><script>window.inline = 1</script>'
let server: TestServer
let data: string

beforeAll(async () => {
  data = await freshData()
  const front = join(data, 'front-end')
  await mkdir(join(front, 'assets'), { recursive: true })
  await writeFile(join(front, 'index.html'), PAGE)
  await writeFile(join(front, 'assets', 'main.js'), 'export {}')
  server = await serve(data, ['--front-end-root', front])
})
afterAll(async () => {
  await server.stop()
  await removeData(data)
})

/** A request as the editor's page makes it. */
const ask = (path: string, method = 'GET', body?: unknown) =>
  fetch(server.url + path, {
    method,
    headers: {
      'Comfy-User': '',
      'Sec-Fetch-Site': 'same-origin',
      Origin: server.url,
      'Content-Type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

const jobs = z.object({
  jobs: z.array(z.object({ id: z.string(), status: z.string(), create_time: z.number() })),
  pagination: z.object({ limit: z.number(), offset: z.number(), total: z.number(), has_more: z.boolean() }),
})
const stats = z.object({
  system: z.object({
    os: z.string(),
    comfyui_version: z.string().regex(/^\d+\.\d+\.\d+$/),
    python_version: z.string(),
    embedded_python: z.boolean(),
    ram_total: z.number().positive(),
    argv: z.array(z.string()),
  }),
  devices: z.array(
    z.object({ name: z.string(), type: z.string(), vram_total: z.number(), torch_vram_free: z.number() }),
  ),
})
const definitions = z.record(
  z.string(),
  z.object({
    input: z.record(z.string(), z.record(z.string(), z.union([z.string(), z.array(z.unknown()).min(1)]))),
    output: z.array(z.string()),
    output_is_list: z.array(z.boolean()),
    output_name: z.array(z.string()),
    display_name: z.string(),
    category: z.string(),
    output_node: z.boolean(),
    python_module: z.string(),
  }),
)
const objects = z.record(z.string(), z.unknown())
const files = z.array(z.object({ path: z.string(), size: z.number(), modified: z.number() }))
const templates = z
  .array(
    z.object({
      moduleName: z.literal('default'),
      // New users are shown this one category.
      title: z.literal('Getting Started'),
      isEssential: z.literal(true),
      templates: z
        .array(
          z.object({
            name: z.string(),
            title: z.string().min(1),
            description: z.string().min(1),
            mediaType: z.literal('image'),
            mediaSubtype: z.literal('svg'),
          }),
        )
        .min(10),
    }),
  )
  .length(1)

/** Path, and the shape of the answer. What its user has not made yet reads as empty: the browser's console shows each 404 as an error. */
const START: readonly [string, z.ZodType][] = [
  ['/api/users', z.object({ storage: z.literal('server'), migrated: z.boolean() })],
  ['/api/system_stats', stats],
  ['/api/settings', objects],
  ['/api/userdata?dir=workflows&recurse=true&split=false&full_info=true', files],
  ['/api/i18n', objects],
  ['/api/userdata?dir=subgraphs&recurse=true&split=false&full_info=true', files],
  ['/api/extensions', z.array(z.string())],
  ['/api/global_subgraphs', objects],
  ['/api/features', objects],
  ['/api/userdata/comfy.templates.json', z.array(z.unknown())],
  ['/api/userdata/workflows%2F.index.json', z.object({ favorites: z.array(z.string()) })],
  ['/api/object_info', definitions],
  ['/api/jobs?status=in_progress,pending&limit=200&offset=0', jobs],
  ['/api/jobs?status=completed,failed,cancelled&limit=64&offset=0', jobs],
  ['/api/experiment/models', z.array(z.object({ name: z.string(), folders: z.array(z.string()) }))],
  ['/internal/folder_paths', z.record(z.string(), z.array(z.string()))],
  ['/api/workflow_templates', objects],
  ['/templates/index.json', templates],
  ['/templates/index.zh-TW.json', templates],
  ['/templates/fuse_options.json', z.null()],
  ['/templates/index_logo.json', objects],
]

describe('start', () => {
  it('serves the front end it is given, without the rules of the own editor', async () => {
    const page = await ask('/')
    expect([page.status, await page.text()]).toEqual([200, PAGE])
    const policy = page.headers.get('content-security-policy')
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('script-src')
    expect((await ask('/assets/main.js')).headers.get('content-type')).toContain('javascript')
    expect((await ask('/assets/gone.js')).status).toBe(404)
    expect((await ask('/..%2f..%2fheddle.db')).status).toBeGreaterThanOrEqual(400)
  })

  it('says at once that a folder holds no front end', async () => {
    const { code, stderr } = await heddle(['serve', '--port', '0', '--data', data, '--front-end-root', data])
    expect([code, stderr]).toEqual([1, expect.stringContaining('has no index.html')])
  })

  it.each(START)('GET %s', async (path, shape) => {
    const answer = await ask(path)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toContain('application/json')
    expect(shape.safeParse(await answer.json()).error).toBeUndefined()
  })

  it.each(['/user.css', '/api/userdata/user.css'])('GET %s', async (path) => {
    const styles = async () => {
      const answer = await ask(path)
      return [answer.status, answer.headers.get('content-type'), await answer.text()]
    }
    expect(await styles()).toEqual([200, expect.stringContaining('text/css'), ''])
    const own = 'body { --tried: 1 }'
    await fetch(`${server.url}/api/userdata/user.css`, { method: 'POST', body: own })
    expect(await styles()).toEqual([200, expect.stringContaining('text/css'), own])
    expect((await ask('/api/userdata/user.css', 'DELETE')).status).toBe(204)
  })

  // The editor takes a page in place of a missing file for that file.
  it.each(['/templates/nothing.json', '/templates/nothing-1.svg', '/docs/Nothing/en.md', '/api/userdata/nothing.json'])(
    'has no %s, and answers no page',
    async (path) => {
      const answer = await ask(path)
      expect([answer.status, answer.headers.get('content-type') ?? '']).toEqual([
        404,
        expect.not.stringContaining('html'),
      ])
    },
  )

  it('offers the shipped workflows as templates, each with a picture of it', async () => {
    const [listed] = templates.parse(await (await ask('/templates/index.json')).json())
    for (const { name, description } of listed?.templates ?? []) {
      const workflow = z
        .object({ nodes: z.array(z.object({ type: z.string(), title: z.string().optional() })) })
        .parse(await (await ask(`/templates/${name}.json`)).json())
      const map = await ask(`/templates/${name}-1.svg`)
      expect([map.status, map.headers.get('content-type')]).toEqual([200, expect.stringContaining('image/svg+xml')])
      const drawn = Buffer.from(await map.arrayBuffer())
      // One bar with a title for each node, and something else than background where they are.
      expect(drawn.toString().match(/<text /g)).toHaveLength(workflow.nodes.length)
      const { data: pixels, info } = await sharp(drawn).raw().toBuffer({ resolveWithObject: true })
      const { width, height, channels } = info
      expect([width, height]).toEqual([480, 270])
      const lit = Array.from({ length: width * height }, (_, at) => pixels[at * channels] ?? 0).filter(
        (red) => red > 0x30,
      )
      expect(lit.length / (width * height)).toBeGreaterThan(0.2)
      for (const { type } of workflow.nodes) expect(description).toContain(type)
    }
  })

  it.each(['/docs/KSampler/zh.md', '/extensions/pack/docs/KSampler/en.md'])(
    'has help for a node at %s',
    async (path) => {
      const page = await ask(path)
      expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/markdown')])
      const text = await page.text()
      expect(text).toMatch(/^# KSampler\n/)
      // As the declaration has them: a widget with its range, a choice, a socket, an output.
      expect(text).toMatch(/^- \*\*steps\*\* \(INT; default `30`; `1` to `10000`\) More steps/m)
      expect(text).toMatch(/^- \*\*seed\*\* \(INT; default `0`; `0` to `18446744073709551615`\)/m)
      expect(text).toMatch(/^- \*\*sampler_name\*\* \(COMBO; default `euler`; one of `\w+`, .*`euler`/m)
      expect(text).toMatch(/^- \*\*cache\*\* \(CACHE; optional\)/m)
      expect(text).toMatch(/^- \*\*LATENT\*\* \(LATENT\)$/m)
    },
  )

  it('finds no outside host to ask for news', async () => {
    // The editor asks its maker's host for release notes unless this flag is among the server's arguments.
    const { system } = stats.parse(await (await ask('/api/system_stats')).json())
    expect(system.argv).toContain('--disable-api-nodes')
  })

  it('the first message of the socket has the session, and flags are answered', async () => {
    const client = await Client.connect(server, '')
    expect(client.log[0]).toMatchObject({ type: 'status', data: { status: { exec_info: { queue_remaining: 0 } } } })
    expect(client.log[0]?.data['sid']).toMatch(/^[0-9a-f]{32}$/)
    client.send({ type: 'feature_flags', data: { supports_preview_metadata: true } })
    const flags = await client.until(({ type }) => type === 'feature_flags')
    expect(flags.data).toMatchObject({ supports_preview_metadata: true })
    client.close()
  })

  it('remembers that the tutorial was seen', async () => {
    expect((await ask('/api/settings/Comfy.TutorialCompleted', 'POST', true)).status).toBe(200)
    expect(await (await ask('/api/settings')).json()).toMatchObject({ 'Comfy.TutorialCompleted': true })
  })
})

it('runs, lists and shows a picture with its workflow', async () => {
  const client = await Client.connect(server, 'editor')
  const workflow = { id: 'w', nodes: [], links: [], version: 0.4 }
  const body = { client_id: client.id, prompt: picture('editor'), extra_data: { extra_pnginfo: { workflow } } }
  const posted = await ask('/api/prompt', 'POST', body)
  expect(posted.status).toBe(200)
  const { prompt_id: id } = z.object({ prompt_id: z.string() }).parse(await posted.json())
  await client.ended(id)
  const listed = await (await ask('/api/jobs?status=completed,failed,cancelled&limit=64&offset=0')).json()
  expect(listed).toMatchObject({
    jobs: [{ id, status: 'completed', outputs_count: 1, preview_output: { nodeId: '3', mediaType: 'images' } }],
  })
  const job = await (await ask(`/api/jobs/${id}`)).json()
  expect(job).toMatchObject({ id, workflow: { extra_data: { extra_pnginfo: { workflow } } } })
  const shown = await ask('/api/view?filename=editor_00001_.png&type=output&subfolder=&rand=0.5')
  expect([shown.status, shown.headers.get('content-type')]).toEqual([200, 'image/png'])
  client.close()
})

it('cancels what runs by its id, and empties the queue', async () => {
  const client = await Client.connect(server, 'canceller')
  const [running, waiting] = [await client.queue(endless(1)), await client.queue(endless(2))]
  await client.until(({ type, data: at }) => type === 'executing' && at['prompt_id'] === running)
  expect((await ask('/api/queue', 'POST', { delete: [waiting] })).status).toBe(200)
  await client.queue(endless(3))
  expect((await ask('/api/queue', 'POST', { clear: true })).status).toBe(200)
  expect((await ask('/api/interrupt', 'POST', { prompt_id: running })).status).toBe(200)
  await client.ended(running)
  expect(client.event(running, 'execution_interrupted')).toBeDefined()
  expect(await (await ask('/api/queue')).json()).toEqual({ queue_running: [], queue_pending: [] })
  expect((await ask('/api/free', 'POST', { unload_models: true, free_memory: true })).status).toBe(200)
  client.close()
})

it('saves, lists, opens, renames and deletes a workflow', async () => {
  const file = (name: string) => `/api/userdata/${encodeURIComponent(`workflows/${name}`)}`
  const facts = z.object({ path: z.string(), size: z.number().positive(), modified: z.number() })
  const save = (overwrite: boolean) =>
    ask(`${file('a.json')}?overwrite=${overwrite}&full_info=true`, 'POST', { nodes: [] })
  expect(facts.parse(await (await save(false)).json()).path).toBe('workflows/a.json')
  expect((await save(false)).status).toBe(409)
  expect((await save(true)).status).toBe(200)
  const moved = await ask(
    `${file('a.json')}/move/${encodeURIComponent('workflows/b.json')}?overwrite=false&full_info=true`,
    'POST',
  )
  expect(facts.parse(await moved.json()).path).toBe('workflows/b.json')
  const all = await ask('/api/userdata?dir=workflows&recurse=true&split=false&full_info=true')
  expect(
    z
      .array(facts)
      .parse(await all.json())
      .map(({ path }) => path),
  ).toEqual(['b.json'])
  expect(await (await ask(file('b.json'))).json()).toEqual({ nodes: [] })
  expect((await ask(file('b.json'), 'DELETE')).status).toBe(204)
})
