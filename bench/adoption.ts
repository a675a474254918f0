/** Verified adoption: pictures of a bench of earlier sources stand for captions that are not measured again, where repeated ones agree with it. */
import { convergedIn, relativeL2, settingKey, truthKey, type Ground } from './fidelity.ts'
import { recordsIn, type JournalRecord, type PictureRecord } from './journal.ts'
import type { Adoption } from './result.ts'
import type { Setting } from './setting.ts'
import { decibels } from './summary.ts'

/** What sources before these measured. */
export interface Earlier {
  /** Commits that they were at. */
  readonly commit: string
  readonly records: ReadonlyMap<string, JournalRecord>
}

/**
 * The records of the journal at `path` that the sources before those of digest `code` made: of several such sources the last that
 * measured a picture. `commit` is for journals that do not say theirs. Throws where there are no such records, or no commit.
 */
export async function openEarlier(path: string, code: string, commit?: string): Promise<Earlier> {
  const all = await recordsIn(path)
  const source = all.findLast((record) => record.kind === 'picture' && record.code !== code)?.code
  if (source === undefined)
    throw new Error(
      `${path}: expected the journal of a bench of other sources than these (bench/.work/*.jsonl), it has no pictures of any`,
    )
  const records = all.filter((record) => record.code === source)
  const said = [...new Set(records.flatMap((record) => record.commit ?? commit ?? []))]
  if (said.length === 0)
    throw new Error(`${path}: it does not say at which commit it was measured; give it with --adopt-commit`)
  return { commit: said.join(', '), records: new Map(records.map((record) => [record.key, record])) }
}

/** How far values of the same run may lie apart: `share` of the earlier one, or `floor` where that is more. */
interface Tolerance {
  readonly share: number
  readonly floor: number
}

/** Decibels above which a picture is so near to the uncached one that the rounding of sums shows. */
const NEARLY_SAME = 60
/** Tolerances of comparisons with the uncached run: `decibels`, and these in amplitude and in power. Floors are what tables round to. */
const tolerances = (decibels: number) => ({
  decibels: { share: 0, floor: decibels },
  distance: { share: 10 ** (decibels / 20) - 1, floor: 1e-4 },
  structure: { share: 10 ** (decibels / 10) - 1, floor: 1e-4 },
})
const USUAL = tolerances(0.05)
const ROUNDED = tolerances(1)
const COUNT: Tolerance = { share: 1e-6, floor: 0 }
/** Relative L2 between converged solutions. */
const CONVERGED = 1e-3

const near = (now: number, then: number, { share, floor }: Tolerance): boolean =>
  Math.abs(now - then) <= Math.max(floor, share * Math.abs(then))

const sameTruth = (now: number | null, then: number | null): boolean =>
  now === null || then === null ? now === then : near(now, then, USUAL.distance)

/** What two measurements of the same picture do not agree in, in words; nothing where they agree. */
export function differences(now: PictureRecord, then: PictureRecord): readonly string[] {
  const judges = Object.keys({ ...now.judged, ...then.judged })
  const allowed = Math.min(decibels(now), decibels(then)) > NEARLY_SAME ? ROUNDED : USUAL
  const checks: readonly (readonly [string, unknown, unknown, boolean])[] = [
    ['decisions', now.decisions, then.decisions, now.decisions === then.decisions],
    ['evaluations', now.evaluations, then.evaluations, now.evaluations === then.evaluations],
    ['blocks', now.blocks, then.blocks, near(now.blocks, then.blocks, COUNT)],
    ['FLOPs', now.flops, then.flops, near(now.flops, then.flops, COUNT)],
    ['PSNR', decibels(now), decibels(then), near(decibels(now), decibels(then), allowed.decibels)],
    ['SSIM', now.ssim, then.ssim, near(1 - now.ssim, 1 - then.ssim, allowed.structure)],
    ['latent L1', now.latentL1, then.latentL1, near(now.latentL1, then.latentL1, allowed.distance)],
    ['distance to converged', now.truthL2, then.truthL2, sameTruth(now.truthL2, then.truthL2)],
    ...judges.map((name) => {
      const [a = NaN, b = NaN] = [now.judged[name], then.judged[name]]
      return [name, a, b, near(a, b, USUAL.distance)] as const
    }),
  ]
  return checks.filter(([, , , same]) => !same).map(([what, a, b]) => `${what} ${String(a)}, was ${String(b)}`)
}

/** Why a setting's repeated pictures do not let the others stand; null where they do. */
function objection(ground: Ground, setting: Setting, { records }: Earlier, repeated: number): string | null {
  for (let index = 0; index < repeated; index++) {
    const key = settingKey('picture', ground, index, setting)
    const [now, then] = [ground.journal.get('picture', key), records.get(key)]
    if (then?.kind !== 'picture') return `caption ${index + 1} is not in the earlier bench`
    if (!now) throw new Error(`bench: caption ${index + 1} has not been measured under ${setting.name}`)
    const found = differences(now, then)
    if (found.length > 0) return `caption ${index + 1}: ${found.join('; ')}`
  }
  return null
}

/** Why the converged solutions are not the earlier ones; null where they are, or were not asked for. */
function truthObjection(ground: Ground, { records }: Earlier, repeated: number): string | null {
  for (let index = 0; index < repeated && ground.convergedSteps > 0; index++) {
    const key = truthKey(ground, index)
    const [now, then] = [ground.journal.get('truth', key), records.get(key)]
    if (!now || then?.kind !== 'truth') return `caption ${index + 1}: no converged solution to compare with`
    const apart = relativeL2(convergedIn(now, ground.stage), convergedIn(then, ground.stage))
    if (!(apart <= CONVERGED)) return `caption ${index + 1}: the converged solutions are ${apart.toPrecision(2)} apart`
  }
  return null
}

/** What all pictures are compared with: the uncached run (`settings[0]`) and the converged solution. */
function commonObjection(ground: Ground, settings: readonly Setting[], earlier: Earlier, repeated: number) {
  const [uncached] = settings
  const why = (uncached && objection(ground, uncached, earlier, repeated)) ?? truthObjection(ground, earlier, repeated)
  return why === null ? null : `the uncached run or the converged solution is another (${why})`
}

/**
 * Takes over, for every setting whose first `repeated` captions have been measured again and agree, the earlier pictures of the
 * other captions, with their converged solutions; times, memory and calibrations never. What is in the journal stays.
 */
export function adopt(ground: Ground, settings: readonly Setting[], earlier: Earlier, repeated: number): Adoption {
  const { journal, stage } = ground
  const common = commonObjection(ground, settings, earlier, repeated)
  const others = stage.captions.map((_, index) => index).slice(repeated)
  const takeOver = (kind: 'picture' | 'truth', key: string): number => {
    const then = earlier.records.get(key)
    if (then?.kind !== kind || journal.get(kind, key)) return 0
    journal.adopt(then)
    return 1
  }
  const anew: { readonly config: string; readonly why: string }[] = []
  let pictures = 0
  for (const setting of settings) {
    const why = common ?? objection(ground, setting, earlier, repeated)
    if (why !== null) anew.push({ config: setting.name, why })
    else for (const index of others) pictures += takeOver('picture', settingKey('picture', ground, index, setting))
  }
  if (common === null) for (const index of others) takeOver('truth', truthKey(ground, index))
  const agreed = settings.length - anew.length
  return { commit: earlier.commit, repeated, agreed, settings: settings.length, pictures, anew }
}
