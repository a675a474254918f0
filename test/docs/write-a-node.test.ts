/** The node of docs/write-a-node.md, as it stands there, in a pack of its own: it loads, is described, and runs; a broken one harms nothing. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunContext } from '../../nodes/define.ts'
import { describeNode } from '../../server/engine/describe.ts'
import { loadRegistry } from '../../server/engine/registry.ts'
import { chain, Client, freshData, get, PACK, removeData, serve } from '../server/harness.ts'

const ROOT = join(import.meta.dirname, '../..')
let folder: string
let pack: string

beforeAll(async () => {
  folder = await freshData()
  pack = join(folder, 'my-pack')
  await mkdir(join(pack, 'picture'), { recursive: true })
  const page = await readFile(join(ROOT, 'docs/write-a-node.md'), 'utf8')
  const code = /```ts\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  await writeFile(join(pack, 'picture/my-threshold.ts'), code.replaceAll('../../nodes/', `${ROOT}/nodes/`))
})
afterAll(() => removeData(folder))

it('the node of the page loads, is described, and runs', async () => {
  const { nodes, problems } = await loadRegistry([pack])
  expect(problems).toEqual([])
  const node = nodes.get('MyThreshold')
  if (!node) throw new Error('it is not there')
  expect(describeNode(node, () => [])).toMatchObject({
    ...{ name: 'MyThreshold', category: 'picture', output: ['IMAGE'], python_module: 'custom_nodes.my-pack' },
    input: { required: { image: ['IMAGE'], level: ['FLOAT', { default: 0.5, min: 0, max: 1 }] } },
  })
  const image = { data: Float32Array.of(0.2, 0.5, 0.9), shape: [1, 1, 1, 3] }
  const context = { report: { progress: () => undefined } } as unknown as RunContext
  const run = (invert: boolean) =>
    node.definition.run({ image, level: 0.5, invert }, context) as { IMAGE: typeof image }
  expect([...run(false).IMAGE.data]).toEqual([0, 1, 1])
  expect([...run(true).IMAGE.data]).toEqual([1, 0, 0])
})

it('with --dev a changed file is taken at once; a broken one is listed and the rest works', async () => {
  const server = await serve(join(folder, 'data'), ['--dev', '--nodes', PACK, pack])
  const client = await Client.connect(server)
  const types = async () => Object.keys((await get(server.url, '/object_info')).json)
  expect(await types()).toContain('MyThreshold')
  const text = await readFile(join(pack, 'picture/my-threshold.ts'), 'utf8')
  await writeFile(join(pack, 'picture/my-other.ts'), text.replaceAll('MyThreshold', 'MyOther'))
  await writeFile(join(pack, 'picture/my-broken.ts'), `throw new Error('broken on purpose')\n`)
  await client.until(({ type, data }) => type === 'heddle.nodes' && JSON.stringify(data).includes('on purpose'), 60)
  await expect.poll(types, { timeout: 60_000 }).toContain('MyOther')
  const { text: listed } = await get(server.url, '/heddle/node-problems')
  expect(listed).toMatch(/my-broken\.ts is left out: it cannot be loaded: broken on purpose/)
  expect(client.story(await client.run(chain(4)))).toContain('execution_success')
  client.close()
  await server.stop()
})
