/** What the commands of the terminal print. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { heddle } from './harness.ts'

const BENCH = join(import.meta.dirname, '../../bench')

describe('the command line', () => {
  let dir: string
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'heddle-cli-'))
  })
  afterAll(() => rm(dir, { recursive: true }))

  it('lists every bench with what it does', async () => {
    const programs = (await readdir(BENCH)).filter((file) => file.endsWith('.main.ts'))
    expect(programs.length).toBeGreaterThan(5)
    const { stdout } = await heddle(['bench', '--help'])
    for (const file of programs)
      expect(stdout).toMatch(new RegExp(`^  ${file.replace('.main.ts', '')} +[a-z][^\\n]{30,}$`, 'm'))
  })

  it('keeps the columns of models in line, however long their names', async () => {
    const long = `${'long-name-of-a-fine-tuned-model-'.repeat(3)}.safetensors`
    await mkdir(join(dir, 'models/checkpoints'), { recursive: true })
    await mkdir(join(dir, 'models/vae'))
    for (const file of [`checkpoints/${long}`, 'checkpoints/short.safetensors', 'vae/small.safetensors'])
      await writeFile(join(dir, 'models', file), '')
    const { stdout } = await heddle(['models', '--data', join(dir, 'data'), '--models', join(dir, 'models')])
    const mine = stdout.split('\n').filter((line) => line.includes(dir))
    expect(mine).toHaveLength(3)
    expect(new Set(mine.map((line) => line.indexOf(dir))).size).toBe(1)
  })
})
