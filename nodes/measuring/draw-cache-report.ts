/** DrawCacheReport: shows what a caching method did, step by step, as a picture. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { drawReport } from './drawing/report.ts'

export default defineNode({
  type: 'DrawCacheReport',
  category: 'measuring',
  title: 'Draw Cache Report',
  help: 'The weave (one cell per step and branch, filled by the blocks really run), drift against the threshold, and time per step.',
  inputs: { report: port('CACHE_REPORT', { help: 'From the sampler.' }) },
  outputs: { IMAGE: 'IMAGE' },
  run: ({ report }) => ({ IMAGE: drawReport(report) }),
})
