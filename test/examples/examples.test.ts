/** ComfyUI's example workflows run unchanged: opened as the editor saves them, posted to a server, drawn by tiny models. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeAll } from '../../server/engine/describe.ts'
import { loadRegistry } from '../../server/engine/registry.ts'
import { toPrompt } from '../../formats/workflow/to-prompt.ts'
import { Client, entryOf, serve, type TestServer } from '../server/harness.ts'
import { writeModels } from './models.ts'
import { EXAMPLES, saved } from './workflows.ts'

/** Pixels per latent cell: of the folders' autoencoder, and of FLUX's. */
const FACTORS = { other: 4, flux: 2 }
const SIDE = 64

let root: string
let server: TestServer
let client: Client
const registry = await loadRegistry()

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'heddle-examples-'))
  await writeModels(join(root, 'models'))
  await mkdir(join(root, 'data/input'), { recursive: true })
  // A picture whose right half is transparent: what inpainting makes anew.
  const rgba = Buffer.from(
    Array.from({ length: SIDE * SIDE }, (_, i) => [i % 256, (i * 3) % 256, 90, i % SIDE < 32 ? 255 : 0]).flat(),
  )
  const { length } = rgba
  expect(length).toBe(4 * SIDE * SIDE)
  const picture = sharp(rgba, { raw: { width: SIDE, height: SIDE, channels: 4 } }).resize(32, 32, { kernel: 'nearest' })
  await picture.png().toFile(join(root, 'data/input/example.png'))
  server = await serve(join(root, 'data'), ['--models', join(root, 'models')])
  client = await Client.connect(server)
}, 60_000)
afterAll(async () => {
  client.close()
  await server.stop()
  await rm(root, { recursive: true, force: true })
})

const toApi = (workflow: unknown) =>
  toPrompt(
    workflow,
    describeAll(registry, () => []),
  )

/** The picture that a prompt has saved. */
async function draw(prompt: unknown) {
  const id = await client.run(prompt)
  const { outputs, status } = await entryOf(server.url, id)
  expect(status).toMatchObject({ status_str: 'success' })
  const images = Object.values(outputs).flatMap((one) => (one as { images?: { filename: string }[] }).images ?? [])
  const { data, info } = await sharp(join(root, 'data/output', images[0]!.filename))
    .raw()
    .toBuffer({ resolveWithObject: true })
  return { id, width: info.width, height: info.height, levels: new Set(data).size }
}

describe.each(Object.entries(EXAMPLES))('%s', (name, { nodes, cells }) => {
  const workflow = saved(nodes)

  it('holds only nodes that there are', () => {
    const types = Object.values(nodes).map(({ type }) => type)
    expect(types.filter((type) => type !== 'Note' && !registry.nodes.has(type))).toEqual([])
  })

  it('runs from its file to a picture', { timeout: 60_000 }, async () => {
    const factor = name.startsWith('FLUX') ? FACTORS.flux : FACTORS.other
    const { width, height, levels } = await draw(toApi(workflow))
    expect([width, height]).toEqual([cells * factor, cells * factor])
    expect(levels).toBeGreaterThan(8)
  })
})

describe('caching in an example', () => {
  it('by ApplyCache on the model, through guider and custom sampler', { timeout: 60_000 }, async () => {
    const { nodes } = EXAMPLES['FLUX.1 dev']!
    const cached = {
      ...nodes,
      40: { type: 'DiCache', widgets: [] },
      41: { type: 'ApplyCache', links: { model: [12, 0, 'MODEL'], cache: [40, 0, 'CACHE'] } },
      30: { ...nodes[30]!, links: { model: [41, 0, 'MODEL'] } },
    } as const
    const prompt = toApi(saved(cached)) as Record<string, { inputs: Record<string, unknown> }>
    Object.assign(prompt['40']!.inputs, { threshold: 10, warm_up: 0 })
    const { id } = await draw(prompt)
    const rows = client.log.filter(({ type, data }) => type.startsWith('heddle') && data['prompt_id'] === id)
    expect(JSON.stringify(rows)).toContain('"skipped"')
  })
})
