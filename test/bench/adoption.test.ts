/** Adopting an earlier bench's pictures: only what the repeated ones agree with, never times, and told in the result. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { adopt, differences, openEarlier } from '../../bench/adoption.ts'
import { fidelityWork, pictureOf, settingKey, truthKey, type Ground } from '../../bench/fidelity.ts'
import type { JournalRecord, PictureRecord } from '../../bench/journal.ts'
import { summarise } from '../../bench/summary.ts'
import { timeOf, timingWork } from '../../bench/timing.ts'
import { allWork, groundAt, settings, stage } from './fake-ground.ts'

const prices = { evaluation: 0.001, picture: 0.001 }
const REPEATED = 1
const [, , caching] = settings

let folder: string
let old: string
let checked: string
let mine: string
let earlier: string
/** The earlier bench over all captions, and this one over those that are repeated; each test works on copies. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-adoption-'))
  ;[old, checked] = [join(folder, 'old'), join(folder, 'checked')]
  for (const piece of allWork(await groundAt(old, 'before', 'abc1234'))) await piece.do()
  const now = await groundAt(checked, 'now')
  const some = { ...now, stage: { ...stage, captions: stage.captions.slice(0, REPEATED) } }
  for (const piece of fidelityWork(some, settings, prices)) await piece.do()
}, 120_000)
afterAll(() => rm(folder, { recursive: true }))
beforeEach(async () => {
  ;[mine, earlier] = [join(folder, `${Math.random()}`), join(folder, `${Math.random()}`)]
  await cp(checked, mine)
  await cp(old, earlier)
})

const open = (): Promise<Ground> => groundAt(mine, 'now')
const adoptInto = async (ground: Ground) => adopt(ground, settings, await openEarlier(earlier, 'now'), REPEATED)
const left = (ground: Ground) => fidelityWork(ground, settings, prices).map(({ name }) => name)
const anewOf = ({ anew }: { anew: readonly { config: string }[] }) => anew.map(({ config }) => config)

/** Changes records of the earlier journal. */
async function plant(change: (record: JournalRecord) => JournalRecord): Promise<void> {
  const lines = (await readFile(earlier, 'utf8')).trimEnd().split('\n')
  const changed = lines.map((line) => JSON.stringify(change(JSON.parse(line) as JournalRecord)))
  await writeFile(earlier, `${changed.join('\n')}\n`)
}
/** A latent, as a record has it, with every value a little larger. */
function nudged(latent: string): string {
  const bytes = Buffer.from(latent, 'base64')
  for (let at = 0; at < bytes.length; at += 4) bytes.writeFloatLE(1.01 * bytes.readFloatLE(at), at)
  return bytes.toString('base64')
}
const plantPicture = (key: string, change: (record: PictureRecord) => Partial<PictureRecord>) =>
  plant((record) => (record.key === key && record.kind === 'picture' ? { ...record, ...change(record) } : record))

describe('adoption', () => {
  it('takes over all other pictures where the repeated ones agree; they are the same as measured ones', async () => {
    const ground = await open()
    expect(await adoptInto(ground)).toEqual({
      ...{ commit: 'abc1234', repeated: 1, agreed: settings.length, settings: settings.length },
      ...{ pictures: 2 * settings.length, anew: [] },
    })
    expect(left(ground)).toEqual([])
    expect(summarise(ground, settings, 0)).toEqual(summarise(await groundAt(old, 'before'), settings, 0))
  })

  it('never takes over times, and writes nothing of another bench into the journal', async () => {
    const ground = await open()
    await adoptInto(ground)
    expect(settings.flatMap((setting) => timeOf(ground, 1, setting) ?? [])).toEqual([])
    expect(timingWork(ground, settings, 2, prices)).not.toEqual([])
    expect(await readFile(mine, 'utf8')).toBe(await readFile(checked, 'utf8'))
    expect(left(await open()).length).toBeGreaterThan(0)
  })

  it.each<[string, (record: PictureRecord) => Partial<PictureRecord>]>([
    ['PSNR', ({ psnr }) => ({ psnr: (psnr ?? 0) + 0.06 })],
    ['decisions', ({ decisions }) => ({ decisions: decisions.replace('s', 'F') })],
    ['FLOPs', ({ flops }) => ({ flops: flops * (1 + 2e-6) })],
    ['blocks', ({ blocks }) => ({ blocks: blocks - 1 })],
    ['SSIM', ({ ssim }) => ({ ssim: ssim - 0.01 })],
    ['latent L1', ({ latentL1 }) => ({ latentL1: latentL1 * 1.02 })],
    ['distance to converged', ({ truthL2 }) => ({ truthL2: (truthL2 ?? 0) * 1.02 })],
  ])('measures a setting anew that differs in its %s, and only this one', async (what, change) => {
    const ground = await open()
    await plantPicture(settingKey('picture', ground, 0, caching!), change)
    const adoption = await adoptInto(ground)
    expect(adoption).toMatchObject({ agreed: settings.length - 1, pictures: 2 * (settings.length - 1) })
    expect(adoption.anew).toEqual([{ config: caching!.name, why: expect.stringContaining(`caption 1: ${what} `) }])
    expect(left(ground).filter((name) => name.includes(caching!.name))).toHaveLength(2)
    expect(left(ground).filter((name) => name.includes(': DiCache 0'))).toHaveLength(2)
    expect(pictureOf(ground, 1, caching!)).toBeUndefined()
  })

  it('takes over nothing when the converged solution or the uncached run is another', async () => {
    const ground = await open()
    await plant((record) =>
      record.kind === 'truth' && record.key === truthKey(ground, 0)
        ? { ...record, latent: nudged(record.latent) }
        : record,
    )
    expect(await adoptInto(ground)).toMatchObject({ agreed: 0, pictures: 0 })
    await cp(old, earlier)
    await plantPicture(settingKey('picture', ground, 0, settings[0]!), ({ flops }) => ({ flops: 2 * flops }))
    const adoption = await adoptInto(ground)
    expect(adoption).toMatchObject({ agreed: 0, pictures: 0 })
    expect(anewOf(adoption)).toHaveLength(settings.length)
    expect(adoption.anew[2]?.why).toContain('the uncached run')
  })

  it('measures what the earlier bench has not', async () => {
    const ground = await open()
    const missing = [0, 1].map((index) => settingKey('picture', ground, index, settings[index + 2]!))
    await plant((record) => (missing.includes(record.key) ? { ...record, key: 'other' } : record))
    const adoption = await adoptInto(ground)
    expect(adoption.anew).toEqual([{ config: caching!.name, why: 'caption 1 is not in the earlier bench' }])
    expect(adoption.pictures).toBe(2 * settings.length - 3)
  })
})

describe('openEarlier', () => {
  it('reads the last other sources of a journal that holds several', async () => {
    await writeFile(
      earlier,
      `${(await readFile(old, 'utf8')).replaceAll('"before"', '"oldest"')}${await readFile(old, 'utf8')}${await readFile(checked, 'utf8')}`,
    )
    const { records } = await openEarlier(earlier, 'now')
    expect(new Set([...records.values()].map(({ code }) => code))).toEqual(new Set(['before']))
  })

  it('refuses a journal without other sources, and one that does not say its commit unless it is given', async () => {
    await expect(openEarlier(earlier, 'before')).rejects.toThrow(`${earlier}: expected the journal of a bench of other`)
    await expect(openEarlier(join(folder, 'none'), 'now')).rejects.toThrow('ENOENT')
    await plant(({ commit: _, ...record }) => record)
    await expect(openEarlier(earlier, 'now')).rejects.toThrow('--adopt-commit')
    expect((await openEarlier(earlier, 'now', 'def5678')).commit).toBe('def5678')
  })
})

describe('differences', () => {
  it('lets rounding pass in pictures that are nearly the uncached ones, and no more', async () => {
    const one = pictureOf(await open(), 0, caching!)!
    const at = (psnr: number | null, latentL1: number) => ({ ...one, psnr, latentL1 })
    expect(differences(at(70, 0.002), at(70.9, 0.0022))).toEqual([])
    expect(differences(at(70, 0.002), at(71.1, 0.002))).toEqual(['PSNR 70, was 71.1'])
    expect(differences(at(50, 0.02), at(50.04, 0.0201))).toEqual([])
    expect(differences(at(null, 0), at(99.5, 0.00001))).toEqual([])
    expect(differences(at(null, 0), at(98, 0.00001))).toHaveLength(1)
  })
})
