/** Sums up the measurements of each setting into one row of the table. */
import { pictureOf, type Ground } from './fidelity.ts'
import type { PictureRecord, TimeRecord } from './journal.ts'
import { memoryOf } from './memory.ts'
import type { Role, Setting } from './setting.ts'
import { mean, median, quantile, sum } from './statistics.ts'
import { timeOf } from './timing.ts'

/** Identical pictures enter means as 100 dB: what no 8-bit picture can tell from equality. */
export const IDENTICAL = 100
const MEBI = 2 ** 20

export const decibels = ({ psnr }: Pick<PictureRecord, 'psnr'>): number => Math.min(psnr ?? IDENTICAL, IDENTICAL)

export interface Speed {
  /** Timed runs of the setting. */
  readonly runs: number
  /** Median seconds of a run. */
  readonly latency: number
  /** Median and quartiles of uncached seconds / seconds, of neighbouring runs. */
  readonly speedUp: number
  readonly quartiles: readonly [number, number]
  /** Median of what the counted work promised / what the clock measured, of the same runs: 1 is no overhead. */
  readonly overhead: number
}

export interface Row {
  readonly config: string
  readonly method: string
  /** What the README shows one row of, where that is not all of the method. */
  readonly group?: string | undefined
  readonly role: Role
  readonly captions: number
  readonly evaluations: number
  /** Blocks run over those of the uncached run, and the same in estimated FLOPs of the whole model. */
  readonly blockShare: number
  readonly flopShare: number
  /** Estimated FLOPs of one picture, in 10^12. */
  readonly teraflops: number
  /** Uncached FLOPs / FLOPs. */
  readonly promised: number
  readonly speed: Speed | null
  readonly psnr: number
  readonly psnrWorst: number
  /** 5th percentile over captions; not in old results. */
  readonly psnrFifth?: number | undefined
  readonly ssim: number
  readonly latentL1: number
  readonly truthL2: number | null
  readonly judged: Readonly<Record<string, number>>
  /** Tensors kept alive beyond the uncached run's, and the largest resident size of the process, in MiB. */
  readonly heldMiB: number | null
  readonly residentMiB: number | null
  /** Share of decisions that are the same for most captions: 1 is a fixed mask in disguise. */
  readonly sameDecisions: number
}

/** Speed-ups are of single runs over the mean of the uncached ones around them. */
export function speedOf(times: readonly TimeRecord[]): Speed | null {
  if (times.length === 0) return null
  const runs = times.flatMap(({ seconds, uncachedSeconds, flops, uncachedFlops }) =>
    seconds.map((own) => ({ own, speedUp: mean(uncachedSeconds) / own, promised: uncachedFlops / flops })),
  )
  const speedUps = runs.map(({ speedUp }) => speedUp)
  return {
    runs: runs.length,
    latency: median(runs.map(({ own }) => own)),
    speedUp: median(speedUps),
    quartiles: [quantile(speedUps, 0.25), quantile(speedUps, 0.75)],
    overhead: median(runs.map(({ promised, speedUp }) => promised / speedUp)),
  }
}

/** Share of all decisions that agree with what most of the runs decided at the same place. */
export function agreement(decisions: readonly string[]): number {
  const places = Math.max(0, ...decisions.map((one) => one.length))
  const shares = Array.from({ length: places }, (_, place) => {
    const letters = decisions.map((one) => one[place] ?? '')
    const counts = [...new Set(letters)].map((letter) => letters.filter((other) => other === letter).length)
    return Math.max(...counts) / letters.length
  })
  return mean(shares)
}

function judgedMeans(pictures: readonly PictureRecord[]): Readonly<Record<string, number>> {
  const names = Object.keys(pictures[0]?.judged ?? {})
  return Object.fromEntries(names.map((name) => [name, mean(pictures.map(({ judged }) => judged[name] ?? NaN))]))
}

/** One row from a setting's pictures and the uncached run's, in the same order of captions. */
export function rowOf(
  setting: Setting,
  pictures: readonly PictureRecord[],
  plain: readonly PictureRecord[],
  times: readonly TimeRecord[],
  memory: Pick<Row, 'heldMiB' | 'residentMiB'>,
): Row {
  const shareOf = (of: (record: PictureRecord) => number) => sum(pictures.map(of)) / sum(plain.map(of))
  const flopShare = shareOf(({ flops }) => flops)
  const values = pictures.map(decibels)
  const truths = pictures.flatMap(({ truthL2 }) => truthL2 ?? [])
  return {
    config: setting.name,
    method: setting.method,
    group: setting.group,
    role: setting.role,
    captions: pictures.length,
    evaluations: pictures[0]?.evaluations ?? 0,
    blockShare: shareOf(({ blocks }) => blocks),
    flopShare,
    teraflops: mean(pictures.map(({ flops }) => flops)) / 1e12,
    promised: 1 / flopShare,
    speed: speedOf(times),
    psnr: mean(values),
    psnrWorst: Math.min(...values),
    psnrFifth: quantile(values, 0.05),
    ssim: mean(pictures.map(({ ssim }) => ssim)),
    latentL1: mean(pictures.map(({ latentL1 }) => latentL1)),
    truthL2: truths.length > 0 ? mean(truths) : null,
    judged: judgedMeans(pictures),
    ...memory,
    sameDecisions: agreement(pictures.map(({ decisions }) => decisions)),
  }
}

/** The rows of all settings, the uncached one (`settings[0]`) first. Every picture must have been measured. */
export function summarise(ground: Ground, settings: readonly Setting[], timed: number): readonly Row[] {
  const indices = ground.stage.captions.map((_, index) => index)
  const picturesOf = (setting: Setting) => indices.flatMap((index) => pictureOf(ground, index, setting) ?? [])
  const [reference] = settings
  if (!reference) return []
  const plain = picturesOf(reference)
  const plainMemory = memoryOf(ground, reference)
  return settings.map((setting) => {
    const times = indices.slice(0, timed).flatMap((index) => timeOf(ground, index, setting) ?? [])
    const memory = memoryOf(ground, setting)
    return rowOf(setting, picturesOf(setting), plain, times, {
      heldMiB: memory && plainMemory ? Math.max(0, memory.heldBytes - plainMemory.heldBytes) / MEBI : null,
      residentMiB: memory ? memory.residentBytes / MEBI : null,
    })
  })
}
