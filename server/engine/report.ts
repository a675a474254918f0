/** The Reporter a node is given: progress and previews throttled, cache decisions and warnings as events. */
import sharp from 'sharp'
import type { CacheReport, ReportRow, SamplingPlan } from '../../diffusion/caching/report-types.ts'
import type { Reporter } from '../../nodes/define.ts'
import type { LiveGraph } from './graph.ts'
import type { Emitter } from './outbox.ts'
import type { ProgressBoard } from './progress.ts'

/** Milliseconds between two progress reports of one node, and between two previews. */
const PROGRESS_INTERVAL = 40
const PREVIEW_INTERVAL = 120
const PREVIEW_QUALITY = 90

export interface ReportTarget {
  readonly promptId: string
  readonly emitter: Emitter
  readonly board: ProgressBoard
  readonly graph: LiveGraph
  readonly signal: AbortSignal
  /** Longest side in pixels; 0 sends no previews. */
  readonly previewSize: number
}

interface Picture {
  readonly rgb: Uint8Array
  readonly width: number
  readonly height: number
}

/** Reports of one node. The engine calls `settle` when the node is done, so that nothing of it comes after its result. */
export class NodeReporter implements Reporter {
  readonly #nodeId: string
  readonly #target: ReportTarget
  #progress: { value: number; max: number; sent: boolean } | null = null
  #progressAt = 0
  #previewAt = 0
  #waiting: Picture | null = null
  #encoding: Promise<void> | null = null
  /** Sampling runs that have ended: a node may sample more than once. */
  #runs = 0

  constructor(nodeId: string, target: ReportTarget) {
    this.#nodeId = nodeId
    this.#target = target
  }

  /** Throws the abort reason once the job is cancelled: nodes that only report can be stopped there. */
  progress(value: number, max: number): void {
    this.#target.signal.throwIfAborted()
    const now = Date.now()
    this.#progress = { value, max, sent: false }
    if (now - this.#progressAt >= PROGRESS_INTERVAL || value >= max) {
      this.#progressAt = now
      this.#sendProgress()
    }
  }

  preview(rgb: Uint8Array, width: number, height: number): void {
    this.#target.signal.throwIfAborted()
    if (this.#target.previewSize === 0 || rgb.length !== width * height * 3) return
    this.#waiting = { rgb: Uint8Array.from(rgb), width, height }
    const now = Date.now()
    if (this.#encoding || now - this.#previewAt < PREVIEW_INTERVAL) return
    this.#previewAt = now
    this.#encoding = this.#encode().finally(() => (this.#encoding = null))
  }

  cacheRows(rows: readonly ReportRow[], plan: SamplingPlan): void {
    this.#event('heddle.cache', { run: { ...plan, index: this.#runs }, rows: rows.map((row) => ({ ...row })) })
  }

  /** The rows went out as they fell; this is their sum. */
  sampled({ rows: _, ...totals }: CacheReport): void {
    this.#event('heddle.sampled', { index: this.#runs++, ...totals })
  }

  /** Tells of a run of an earlier prompt whose result is used again, as if it had just been made. */
  repeat(report: CacheReport): void {
    const { method, params, family, depth, evaluations, samples, branches } = report
    this.cacheRows(report.rows, { method, params, family, depth, evaluations, samples, branches })
    this.sampled(report)
    report.warnings.forEach((warning) => this.warn(warning))
  }

  readonly warn = (message: string): void => this.#event('heddle.warning', { message })

  /** Sends the last progress and preview if they were held back, and waits for what is being encoded. */
  async settle(): Promise<void> {
    if (this.#progress && !this.#progress.sent) this.#sendProgress()
    if (this.#encoding) await this.#encoding
    if (this.#waiting) await this.#encode()
  }

  #event(type: string, data: Readonly<Record<string, unknown>>): void {
    // Once the job has ended, a node that goes on regardless has nothing more to say.
    if (this.#target.signal.aborted) return
    this.#target.emitter.emit({ type, data: { prompt_id: this.#target.promptId, node: this.#nodeId, ...data } })
  }

  #sendProgress(): void {
    if (!this.#progress) return
    const { value, max } = this.#progress
    this.#progress.sent = true
    this.#target.board.advance(this.#nodeId, value, max)
    this.#target.board.publish()
    this.#event('progress', { value, max })
  }

  async #encode(): Promise<void> {
    const picture = this.#waiting
    if (!picture) return
    this.#waiting = null
    const { rgb, width, height } = picture
    const size = this.#target.previewSize
    const bytes = await sharp(rgb, { raw: { width, height, channels: 3 } })
      .resize(size, size, { fit: 'inside', withoutEnlargement: true })
      .jpeg({ quality: PREVIEW_QUALITY })
      .toBuffer()
    if (this.#target.signal.aborted) return
    const names = this.#target.graph.namesOf(this.#nodeId)
    this.#target.emitter.emit({ type: 'preview', names, mime: 'image/jpeg', bytes })
  }
}
