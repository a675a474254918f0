/** TestPreview: sends pictures and cache decisions while it works. */
import { setTimeout as wait } from 'node:timers/promises'
import type { ReportRow } from '../../../../diffusion/caching/report-types.ts'
import { defineNode } from '../../../../nodes/define.ts'
import { int } from '../../../../nodes/spec.ts'

const SIZE = 32

export default defineNode({
  type: 'TestPreview',
  category: 'testing',
  help: 'Shows previews.',
  inputs: {
    frames: int({ default: 3, min: 1, max: 100 }),
    seed: int({ default: 0, min: 0, max: 1_000_000_000 }),
    runs: int({ default: 1, min: 1, max: 9, optional: true }),
  },
  outputs: { INT: 'INT', report: 'CACHE_REPORT' },
  async run({ frames, runs }, { report }) {
    const plan = {
      ...{ method: 'TestPreview', params: { threshold: 0.2 }, family: 'test', depth: 12 },
      ...{ evaluations: frames, samples: 1, branches: ['cond'] as const },
    }
    const rows: ReportRow[] = []
    const totals = {
      ...plan,
      ...{ rows, warnings: ['nothing was computed'], seconds: 0.25 },
      ...{ computedBlocks: frames + 11, totalBlocks: 12 * frames, computedFlops: frames, totalFlops: frames },
    }
    for (let step = 0; step < frames * runs; step++) {
      const frame = step % frames
      report.preview(new Uint8Array(SIZE * SIZE * 3).fill(frame * 40), SIZE, SIZE)
      report.progress(frame + 1, frames)
      const row: ReportRow = {
        ...{ evaluation: frame, sample: 0, branch: 'cond', sigma: 1 - frame / frames },
        ...{ blocks: frame === 0 ? 12 : 1, decision: frame === 0 ? 'full' : 'skipped' },
        ...{ milliseconds: 1, modules: {}, flops: 1 },
      }
      if (step < frames) rows.push(row)
      report.cacheRows([row], plan)
      await wait(10)
      if (frame < frames - 1) continue
      report.sampled(totals)
    }
    totals.warnings.forEach((warning) => report.warn(warning))
    return { INT: frames, report: totals }
  },
})
