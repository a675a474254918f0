/** The bench's journal: a killed bench goes on, and what other code, models or arguments gave is not mixed in. */
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Journal, keyOf, modelDigest } from '../../bench/journal.ts'

let folder: string
let path: string
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'heddle-journal-'))))
afterAll(() => rm(folder, { recursive: true }))
beforeEach(() => (path = join(folder, `${Math.random()}.jsonl`)))

const entry = { residentBytes: 1, heldBytes: 2 }

describe('Journal', () => {
  it('gives back what it was given, also after it was opened again', async () => {
    const first = await Journal.open(path, 'code', false)
    await first.add('memory', 'a', entry)
    const again = await Journal.open(path, 'code', false)
    expect(again.get('memory', 'a')).toMatchObject(entry)
    expect(again.get('memory', 'b')).toBeUndefined()
    expect(again.get('truth', 'a')).toBeUndefined()
  })

  it('passes over what other sources gave, and over everything when fresh', async () => {
    await (await Journal.open(path, 'code', false)).add('memory', 'a', entry)
    expect((await Journal.open(path, 'other', false)).get('memory', 'a')).toBeUndefined()
    expect((await Journal.open(path, 'code', true)).get('memory', 'a')).toBeUndefined()
  })

  it('drops a line that was cut off in the middle, and what is added then can be read', async () => {
    await (await Journal.open(path, 'code', false)).add('memory', 'a', entry)
    await appendFile(path, (await readFile(path, 'utf8')).slice(0, 25))
    const again = await Journal.open(path, 'code', false)
    await again.add('memory', 'b', entry)
    const third = await Journal.open(path, 'code', false)
    expect([third.get('memory', 'a'), third.get('memory', 'b')]).toMatchObject([entry, entry])
  })
})

describe('keys', () => {
  it('differ in anything that decides the result', () => {
    const keys = [
      { caption: 'a', steps: 30 },
      { caption: 'b', steps: 30 },
      { caption: 'a', steps: 20 },
    ]
    expect(new Set(keys.map((about) => keyOf('picture', about))).size).toBe(3)
    expect(keyOf('picture', keys[0])).not.toBe(keyOf('time', keys[0]))
  })

  it('know a model by its files', async () => {
    const file = join(folder, 'model.safetensors')
    await writeFile(file, Buffer.alloc(3 * 2 ** 20, 1))
    const before = await modelDigest(folder)
    expect(await modelDigest(folder)).toBe(before)
    const bytes = await readFile(file)
    bytes[bytes.length - 1] = 2
    await writeFile(file, bytes)
    expect(await modelDigest(folder)).not.toBe(before)
  })
})
