/** A typed client of a Heddle server for browsers and Node: submit, follow, wait, cancel, upload, fetch pictures. */
import { eventsOf } from './event-stream.ts'
import { fileReference, type FileReference } from './events.ts'
import { History } from './history.ts'
import { parseJson } from './json.ts'
import { Reports } from './reports.ts'
import { faultsOf, Routes, type PromptFault } from './request.ts'
import { Socket, type SocketHandlers } from './socket.ts'
import { Workflows } from './workflows.ts'
import { z } from './zod.ts'

export { HeddleError, type PromptFault } from './request.ts'
export type { FileReference, PreviewFrame, Proposal, ServerEvent } from './events.ts'
export type { HistoryItem } from './history.ts'
export type { ReportSummary, SamplingEnd, SamplingRun, StoredReport } from './reports.ts'
export type { Connection, Socket, SocketHandlers } from './socket.ts'
export type { WorkflowEntry } from './workflows.ts'

const time = z.number().nullable()
const node = z.object({
  class_type: z.string(),
  state: z.enum(['waiting', 'cached', 'running', 'finished', 'failed']),
  value: z.number(),
  max: z.number(),
  /** From its start to its end; null before. */
  seconds: z.number().nullable(),
})
const listed = z.object({
  id: z.string(),
  status: z.enum(['pending', 'in_progress', 'completed', 'failed', 'cancelled']),
  number: z.number(),
  /** 0 runs, 1 is next; null when it has ended. */
  position: z.number().nullable(),
  eta_seconds: z.number().nullable(),
  created_at: time,
  started_at: time,
  ended_at: time,
})
const job = listed.extend({
  error: z.record(z.string(), z.unknown()).nullable(),
  nodes: z.record(z.string(), node),
  outputs: z.record(z.string(), z.record(z.string(), z.unknown())),
})
const queue = z.object({ paused: z.boolean(), running: z.array(z.string()), pending: z.array(z.string()) })
const stored = z.object({ name: z.string(), subfolder: z.string().default(''), type: z.string().default('input') })

export type JobSummary = z.infer<typeof listed>
export type Job = z.infer<typeof job>
export type Queue = z.infer<typeof queue>
/** A job that was queued, and what is wrong with those of its outputs that cannot run while others can. */
export type Submitted = Job & { readonly faults: readonly PromptFault[] }

export interface JobEvent {
  /** `job` and `end` carry the job, all others what the WebSocket calls by the same name. */
  readonly type: string
  readonly data: unknown
}

export interface SubmitOptions {
  /** Seconds to wait for the end, at most 600. */
  readonly wait?: number
  readonly id?: string
  readonly front?: boolean
  /** Session of the WebSocket that hears of it. */
  readonly clientId?: string
  readonly extraData?: Readonly<Record<string, unknown>>
  readonly continueOnError?: boolean
  readonly webhook?: string
}

export type Where = { readonly to: 'front' | 'back' } | { readonly before: string } | { readonly number: number }

export const isOver = ({ status }: JobSummary): boolean => status !== 'pending' && status !== 'in_progress'

/** Seconds of one request for the end of a job; `wait` asks again until it is there. */
const PATIENCE = 60

export class Heddle {
  /** Prompts that have ended, with their pictures and workflows. */
  readonly history: History
  /** What sampling runs did. */
  readonly reports: Reports
  readonly workflows: Workflows
  readonly #routes: Routes

  /** `url` is the server's address, such as `http://127.0.0.1:8188`; empty for the page's own server. */
  constructor(url = '', options: { readonly token?: string } = {}) {
    this.#routes = new Routes(url, options.token)
    this.history = new History(this.#routes)
    this.reports = new Reports(this.#routes)
    this.workflows = new Workflows(this.#routes)
  }

  /**
   * Opens a WebSocket that hears of all that happens to prompts submitted with its `id` as `clientId`; it connects again by itself.
   * Browsers and Node 22 have WebSocket; older ones need one in `globalThis`.
   */
  connect(handlers: SocketHandlers, id: string): Socket {
    return new Socket(this.#routes, id, handlers)
  }

  /** Node classes by name, as GET /object_info describes them, unchecked. */
  objectInfo(): Promise<unknown> {
    return this.#routes.json('GET', '/object_info')
  }

  /** Queues a prompt, or a workflow as the editor saves it. Throws HeddleError with all faults when it is refused. */
  async submit(prompt: object, options: SubmitOptions = {}): Promise<Submitted> {
    const { wait = 0, id, front, clientId, extraData, continueOnError, webhook } = options
    const body = {
      prompt,
      ...(id === undefined ? {} : { prompt_id: id }),
      ...(front === undefined ? {} : { front }),
      ...(clientId === undefined ? {} : { client_id: clientId }),
      ...(extraData === undefined ? {} : { extra_data: extraData }),
      ...(continueOnError === undefined ? {} : { continue_on_error: continueOnError }),
      ...(webhook === undefined ? {} : { webhook }),
    }
    const answer = await this.#routes.json('POST', `/heddle/jobs${wait > 0 ? `?wait=${wait}` : ''}`, body)
    return { ...job.parse(answer), faults: faultsOf(answer).filter(({ node }) => node !== null) }
  }

  async job(id: string, wait = 0): Promise<Job> {
    return job.parse(await this.#routes.json('GET', `${this.#path(id)}?wait=${wait}`))
  }

  /** Resolves with the job when it has ended, however long that takes. */
  async wait(id: string): Promise<Job> {
    for (;;) {
      const found = await this.job(id, PATIENCE)
      if (isOver(found)) return found
    }
  }

  /** What happens to a job, from now to its end. */
  async *follow(id: string): AsyncGenerator<JobEvent> {
    const response = await this.#routes.send('GET', `${this.#path(id)}/events`)
    if (!response.body) return
    for await (const { event, data } of eventsOf(response.body)) yield { type: event, data: parseJson(data) }
  }

  /** False when there was nothing to cancel. */
  async cancel(id: string): Promise<boolean> {
    const answer = await this.#routes.json('POST', `${this.#path(id)}/cancel`)
    return z.object({ cancelled: z.boolean() }).parse(answer).cancelled
  }

  async move(id: string, where: Where): Promise<Job> {
    return job.parse(await this.#routes.json('POST', `${this.#path(id)}/move`, where))
  }

  /** Queues the prompt of an ended job once more. */
  async retry(id: string): Promise<Job> {
    return job.parse(await this.#routes.json('POST', `${this.#path(id)}/retry`))
  }

  async jobs(status?: readonly JobSummary['status'][], limit = 64): Promise<JobSummary[]> {
    const query = new URLSearchParams({ limit: String(limit), ...(status ? { status: status.join() } : {}) })
    return z.object({ jobs: z.array(listed) }).parse(await this.#routes.json('GET', `/heddle/jobs?${query.toString()}`))
      .jobs
  }

  async queue(): Promise<Queue> {
    return queue.parse(await this.#routes.json('GET', '/heddle/queue'))
  }

  async pause(paused: boolean): Promise<Queue> {
    return queue.parse(await this.#routes.json('POST', paused ? '/heddle/queue/pause' : '/heddle/queue/resume'))
  }

  /** Puts a picture into the input folder; the answer is what a LoadImage node calls it. */
  async upload(picture: Blob, name: string): Promise<string> {
    const form = new FormData()
    form.set('image', picture, name)
    form.set('type', 'input')
    const response = await this.#routes.send('POST', '/upload/image', form)
    const { name: given, subfolder } = stored.parse(await response.json())
    return subfolder === '' ? given : `${subfolder}/${given}`
  }

  /** The files that the nodes of a job showed. */
  files({ outputs }: Job): FileReference[] {
    const items = Object.values(outputs).flatMap((output) => Object.values(output))
    return items
      .flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []))
      .flatMap((item) => {
        const found = fileReference.safeParse(item)
        return found.success ? [found.data] : []
      })
  }

  /** Address of a file's bytes; `preview` asks for a smaller picture, such as `webp;80`. */
  address({ filename, subfolder, type }: FileReference, preview?: string): string {
    const query = new URLSearchParams({ filename, subfolder, type, ...(preview === undefined ? {} : { preview }) })
    return `${this.#routes.base}/view?${query.toString()}`
  }

  async download(reference: FileReference): Promise<Uint8Array> {
    const response = await this.#routes.send('GET', this.address(reference).slice(this.#routes.base.length))
    return new Uint8Array(await response.arrayBuffer())
  }

  #path(id: string): string {
    return `/heddle/jobs/${encodeURIComponent(id)}`
  }
}
