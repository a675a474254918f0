/** Shipped workflows: all are valid, one for every caching method; some run from the command line on the shipped model, and twice. */
import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { workflowFiles } from '../bench/workflow-files.ts'
import { psnr } from '../diffusion/metrics.ts'
import { tensor, type Tensor } from '../diffusion/tensor.ts'
import { describeAll } from '../server/engine/describe.ts'
import { loadRegistry } from '../server/engine/registry.ts'
import { validate } from '../server/engine/validate.ts'
import { toPrompt } from '../formats/workflow/to-prompt.ts'
import { freshData, heddle, removeData } from './server/harness.ts'

const FOLDER = join(import.meta.dirname, '../workflows')
const names = readdirSync(FOLDER).filter((file) => file.endsWith('.json'))
/** Those that were made by hand, a method with two stages, and one that is calibrated first. */
const RUN = [
  'image-to-image-dicache.json',
  'side-by-side.json',
  'text-to-image-dicache.json',
  'text-to-image.json',
  'text-to-image-h2cache.json',
  'text-to-image-teacache.json',
]

const registry = await loadRegistry()

/** Fewer steps than shipped, but enough for the cache to have something to decide. */
const STEPS = 12

interface Report {
  readonly node: string
  readonly method: string | null
  readonly evaluations: number
  readonly computed_blocks: number
  readonly total_blocks: number
  readonly seconds: number
}
interface Document {
  readonly status: string
  readonly outputs: readonly { readonly node: string; readonly file: string; readonly type: string }[]
  readonly reports: readonly Report[]
  readonly errors: readonly { readonly node: string; readonly message: string }[]
}

let data: string
beforeAll(async () => {
  data = await freshData()
})
afterAll(() => removeData(data))

const samplersOf = async (name: string): Promise<number[]> => {
  const { nodes } = JSON.parse(await readFile(join(FOLDER, name), 'utf8')) as { nodes: { id: number; type: string }[] }
  return nodes.filter(({ type }) => type === 'KSampler' || type.startsWith('Calibrate')).map(({ id }) => id)
}

async function run(name: string, ...set: string[]): Promise<Document> {
  const steps = (await samplersOf(name)).map((id) => `${id}.steps=${STEPS}`)
  const changes = [...steps, ...set].flatMap((change) => ['--set', change])
  const { code, stdout } = await heddle(['run', join(FOLDER, name), '--data', data, '--json', ...changes])
  const document = JSON.parse(stdout) as Document
  expect(document.errors).toEqual([])
  expect(code).toBe(0)
  return document
}

/** The first kept picture of a run, as IMAGE. */
async function pictureOf({ outputs }: Document): Promise<Tensor> {
  const { file } = outputs.find(({ type }) => type === 'output')!
  const { data: bytes, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  return tensor(
    Float32Array.from(bytes, (byte) => byte / 255),
    [1, info.height, info.width, 3],
  )
}

describe('shipped workflows', () => {
  const inputs = readdirSync(join(FOLDER, 'input'))
  const lists = (folder: string) => (folder === 'input' ? inputs : ['heddle-flux-mini'])

  it.each(names)('%s is a valid prompt', async (name) => {
    const saved: unknown = JSON.parse(await readFile(join(FOLDER, name), 'utf8'))
    const checked = await validate(toPrompt(saved, describeAll(registry, lists)), null, registry, lists)
    expect(checked.ok ? null : checked.error).toBeNull()
    expect(checked.nodeErrors).toEqual({})
  })

  it('every caching method has one, as `heddle bench workflows` writes it', async () => {
    for (const { name, text } of await workflowFiles(registry))
      expect(names.includes(name) && (await readFile(join(FOLDER, name), 'utf8')), `run it for ${name}`).toBe(text)
  })

  it.each(RUN)('%s gives pictures', async (name) => {
    const document = await run(name)
    expect(document.status).toBe('success')
    const { data: values } = await pictureOf(document)
    expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(0.2)
    for (const { method, computed_blocks, total_blocks, seconds } of document.reports) {
      expect(seconds).toBeGreaterThan(0)
      if (method === null) expect(computed_blocks).toBe(total_blocks)
      else expect(computed_blocks).toBeLessThan(total_blocks)
    }
  })
})

describe('text-to-image-dicache.json', () => {
  const SEED = '6.seed=11'

  it('gives the same picture twice, to the bit', async () => {
    const [first, second] = [
      await run('text-to-image-dicache.json', SEED),
      await run('text-to-image-dicache.json', SEED),
    ]
    expect((await pictureOf(first)).data).toEqual((await pictureOf(second)).data)
  })

  it('with threshold 0 is the picture without a cache, to the bit; with 0.2 it is close to it', async () => {
    const plain = await pictureOf(await run('text-to-image.json', '5.seed=11'))
    const off = await run('text-to-image-dicache.json', SEED, '5.threshold=0')
    expect(off.reports[0]!.computed_blocks).toBe(off.reports[0]!.total_blocks)
    expect((await pictureOf(off)).data).toEqual(plain.data)
    const cached = await pictureOf(await run('text-to-image-dicache.json', SEED, '5.threshold=0.2'))
    expect(psnr(cached, plain)).toBeGreaterThan(22)
    expect(cached.data).not.toEqual(plain.data)
  })

  it('paints every picture of a batch', async () => {
    const batch = await run('text-to-image-dicache.json', SEED, '4.batch_size=2')
    const kept = batch.outputs.filter(({ type }) => type === 'output')
    expect(kept).toHaveLength(2)
    expect(batch.reports[0]!.total_blocks).toBe(
      2 * (await run('text-to-image-dicache.json', SEED)).reports[0]!.total_blocks,
    )
  })

  it('names the node and the input of a value out of range', async () => {
    const { code, stdout } = await heddle([
      'run',
      join(FOLDER, 'text-to-image-dicache.json'),
      '--data',
      data,
      '--json',
      '--set',
      '5.threshold=99',
    ])
    expect(code).not.toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ status: 'error', errors: [{ node: '5', input: 'threshold' }] })
  })
})
