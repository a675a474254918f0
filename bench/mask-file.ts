/** The file of a model's calibrated masks: new ones take the place of those for the same runs. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { maskText, MaskTable, type MaskEntry } from '../nodes/caching/calibration/masks.ts'

const runOf = ({ sampler, scheduler, steps, shift, guidance }: MaskEntry): string =>
  JSON.stringify([sampler, scheduler, steps, shift, guidance])

const byRun = (a: MaskEntry, b: MaskEntry): number =>
  (a.shift ?? 0) - (b.shift ?? 0) || a.steps - b.steps || a.guidance - b.guidance

/** Lists of numbers on one line each. */
const pretty = (value: unknown): string =>
  JSON.stringify(value, null, 2).replace(/\[[^[\]{}"]*\]/g, (list) =>
    list.replace(/\s+/g, ' ').replace(/^\[ | \]$/g, (end) => end.trim()),
  )

/** Adds `entries` to the file, which is made if there is none. Throws for a file of another kind, or of another model. */
export async function writeMasks(path: string, model: string, entries: readonly MaskEntry[]): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => null)
  const known = text === null ? null : MaskTable.parse(JSON.parse(text))
  if (known && known.model !== model) throw new Error(`${path}: holds masks of ${known.model}, not of ${model}`)
  const fresh = new Set(entries.map(runOf))
  const kept = known?.entries.filter((entry) => !fresh.has(runOf(entry))) ?? []
  const table: MaskTable = {
    ...{ method: 'Mask', model, aliases: known?.aliases ?? [] },
    entries: [...kept, ...entries].sort(byRun),
  }
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, `${pretty(JSON.parse(maskText(table)))}\n`)
}
