/** The method that the document builds, taken out of it as it stands: it loads as a node of a pack, keeps the rules, and runs. */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadRegistry } from '../../server/engine/registry.ts'
import { conformance } from '../diffusion/caching/conformance.ts'
import { subjectOf } from '../nodes/caching/subject.ts'
import { heddle } from '../server/harness.ts'

const root = join(import.meta.dirname, '../..')
const text = await readFile(join(root, 'docs/write-a-caching-method.md'), 'utf8')
const source = /```ts\n([\s\S]*?)```/.exec(text)?.[1] ?? ''

/** A folder where the pack lies beside `diffusion` and `nodes`, as the document says. */
const place = await mkdtemp(join(tmpdir(), 'heddle-document-'))
const pack = join(place, 'my-nodes')
await mkdir(join(pack, 'caching'), { recursive: true })
for (const folder of ['diffusion', 'nodes']) await symlink(join(root, folder), join(place, folder))
await writeFile(join(pack, 'caching/coast-cache.ts'), source)
afterAll(() => rm(place, { recursive: true, force: true }))

const { nodes, problems } = await loadRegistry([pack])
const node = nodes.get('CoastCache')

describe('the file in the document', () => {
  it('has fewer than 60 lines and loads as a node', () => {
    expect(source.trimEnd().split('\n').length).toBeLessThan(60)
    expect(problems).toEqual([])
    expect(node?.definition.type).toBe('CoastCache')
  })

  it('names only files that exist', async () => {
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => join(root, 'docs', link!))
    expect(links.length).toBeGreaterThan(3)
    for (const link of links) expect((await readFile(link, 'utf8')).length).toBeGreaterThan(0)
  })

  it('skips something of a real run from the command line', async () => {
    const shipped = await readFile(join(root, 'workflows/text-to-image-dicache.json'), 'utf8')
    const workflow = JSON.parse(shipped) as { nodes: { id: number; type: string; widgets_values?: unknown[] }[] }
    const cache = workflow.nodes.find(({ type }) => type === 'DiCache')!
    Object.assign(cache, { type: 'CoastCache', widgets_values: [true, 0.3, 0, 1] })
    const sampler = workflow.nodes.find(({ type }) => type === 'KSampler')!
    const file = join(place, 'workflow.json')
    await writeFile(file, JSON.stringify(workflow))
    const small = workflow.nodes.find(({ type }) => type === 'EmptyLatentImage')!
    const set = [`${sampler.id}.steps=10`, `${small.id}.width=128`, `${small.id}.height=128`].flatMap((one) => [
      '--set',
      one,
    ])
    const options = ['--nodes', pack, '--data', join(place, 'data'), '--json', ...set]
    const { code, stdout } = await heddle(['run', file, ...options])
    const { errors, reports } = JSON.parse(stdout)
    expect(errors).toEqual([])
    expect(code).toBe(0)
    expect(reports[0].method).toBe('CoastCache')
    expect(reports[0].computed_blocks).toBeLessThan(reports[0].total_blocks)
  }, 120_000)
})

if (node)
  conformance(
    await subjectOf(node, {
      forbidding: {
        'threshold 0': { threshold: 0 },
        disabled: { enabled: false },
        'a threshold nothing is below': { threshold: 1e-9 },
      },
      eager: { threshold: 0.3 },
      demanding: {},
    }),
  )
