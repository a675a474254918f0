/** Sums up measured runs into the rows of a table, and writes the table as Markdown. */

/** One caption under one setting, beside the uncached run of the same seed. */
export interface Measured {
  readonly setting: string
  readonly caption: number
  readonly computedBlocks: number
  /** Blocks of the uncached reference run. */
  readonly referenceBlocks: number
  readonly seconds: number
  readonly referenceSeconds: number
  /** Decibels against the reference; null stands for identical pictures. */
  readonly psnr: number | null
  readonly ssim: number
}

export interface Row {
  readonly setting: string
  readonly captions: number
  /** Mean factor by which blocks were cut: reference / computed. */
  readonly cut: number
  /** Median factor by which the sampler became faster. */
  readonly speedUp: number
  /** speedUp / cut: 1 when the clock keeps what the blocks promise. */
  readonly kept: number
  readonly psnrMean: number
  readonly psnrWorst: number
  readonly ssimMean: number
}

/** Identical pictures enter means as 100 dB, what an 8-bit picture cannot tell from equality. */
const IDENTICAL = 100

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** One row per setting, in order of first appearance. */
export function summarise(runs: readonly Measured[]): readonly Row[] {
  const names = [...new Set(runs.map((run) => run.setting))]
  return names.map((setting) => {
    const own = runs.filter((run) => run.setting === setting)
    const decibels = own.map((run) => Math.min(run.psnr ?? IDENTICAL, IDENTICAL))
    const cut =
      own.reduce((sum, run) => sum + run.referenceBlocks, 0) / own.reduce((sum, run) => sum + run.computedBlocks, 0)
    const speedUp = median(own.map((run) => run.referenceSeconds / run.seconds))
    return {
      setting,
      captions: own.length,
      cut,
      speedUp,
      kept: speedUp / cut,
      psnrMean: mean(decibels),
      psnrWorst: Math.min(...decibels),
      ssimMean: mean(own.map((run) => run.ssim)),
    }
  })
}

/** A Markdown table of the rows. */
export function markdown(rows: readonly Row[]): string {
  const head = ['setting', 'blocks cut', 'measured speed-up', 'kept', 'PSNR mean', 'PSNR worst', 'SSIM']
  const body = rows.map((row) => [
    row.setting,
    `${row.cut.toFixed(2)}x`,
    `${row.speedUp.toFixed(2)}x`,
    `${(100 * row.kept).toFixed(0)} %`,
    `${row.psnrMean.toFixed(1)} dB`,
    `${row.psnrWorst.toFixed(1)} dB`,
    row.ssimMean.toFixed(4),
  ])
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
