/** A typed client of a Heddle server for browsers and Node: submit, follow, wait, cancel, upload, fetch pictures. */
import { parseJson, stringifyJson } from '../model/json.ts'
import { z } from '../model/zod.ts'
import { eventsOf } from './event-stream.ts'

/** A file on the server. */
export interface FileReference {
  readonly filename: string
  readonly subfolder: string
  readonly type: string
}

/** Nodes by id; a link is `[node id, output]`. */
export type Prompt = Readonly<
  Record<string, { readonly class_type: string; readonly inputs: Readonly<Record<string, unknown>> }>
>

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
const file = z.object({ filename: z.string(), subfolder: z.string().default(''), type: z.string().default('output') })
const refusal = z.object({ error: z.union([z.string(), z.object({ message: z.string() })]) })

export type JobSummary = z.infer<typeof listed>
export type Job = z.infer<typeof job>
export type Queue = z.infer<typeof queue>

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

/** The server refused, or did not answer (status 0). */
export class HeddleError extends Error {
  override readonly name = 'HeddleError'
  readonly status: number
  /** The answer, if it was JSON. */
  readonly answer: unknown
  constructor(message: string, status: number, answer: unknown = null) {
    super(message)
    this.status = status
    this.answer = answer
  }
}

export const isOver = ({ status }: JobSummary): boolean => status !== 'pending' && status !== 'in_progress'

/** Seconds of one request for the end of a job; `wait` asks again until it is there. */
const PATIENCE = 60

export class Heddle {
  readonly #base: string
  readonly #headers: Readonly<Record<string, string>>

  /** `url` is the server's address, such as `http://127.0.0.1:8188`; empty for the page's own server. */
  constructor(url = '', options: { readonly token?: string } = {}) {
    this.#base = `${url.replace(/\/+$/, '')}/api`
    this.#headers = options.token === undefined ? {} : { Authorization: `Bearer ${options.token}` }
  }

  /** Queues a prompt, or a workflow as the editor saves it. Throws HeddleError with all faults when it is refused. */
  async submit(prompt: Prompt | object, options: SubmitOptions = {}): Promise<Job> {
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
    return job.parse(await this.#json('POST', `/heddle/jobs?wait=${wait}`, body))
  }

  async job(id: string, wait = 0): Promise<Job> {
    return job.parse(await this.#json('GET', `${this.#path(id)}?wait=${wait}`))
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
    const response = await this.#request('GET', `${this.#path(id)}/events`)
    if (!response.body) return
    for await (const { event, data } of eventsOf(response.body)) yield { type: event, data: parseJson(data) }
  }

  /** False when there was nothing to cancel. */
  async cancel(id: string): Promise<boolean> {
    const answer = await this.#json('POST', `${this.#path(id)}/cancel`)
    return z.object({ cancelled: z.boolean() }).parse(answer).cancelled
  }

  async move(id: string, where: Where): Promise<Job> {
    return job.parse(await this.#json('POST', `${this.#path(id)}/move`, where))
  }

  /** Queues the prompt of an ended job once more. */
  async retry(id: string): Promise<Job> {
    return job.parse(await this.#json('POST', `${this.#path(id)}/retry`))
  }

  async jobs(status?: readonly JobSummary['status'][], limit = 64): Promise<JobSummary[]> {
    const query = new URLSearchParams({ limit: String(limit), ...(status ? { status: status.join() } : {}) })
    return z.object({ jobs: z.array(listed) }).parse(await this.#json('GET', `/heddle/jobs?${query.toString()}`)).jobs
  }

  async queue(): Promise<Queue> {
    return queue.parse(await this.#json('GET', '/heddle/queue'))
  }

  async pause(paused: boolean): Promise<Queue> {
    return queue.parse(await this.#json('POST', paused ? '/heddle/queue/pause' : '/heddle/queue/resume'))
  }

  /** Puts a picture into the input folder; the answer is what a LoadImage node calls it. */
  async upload(picture: Blob, name: string): Promise<string> {
    const form = new FormData()
    form.set('image', picture, name)
    form.set('type', 'input')
    const response = await this.#request('POST', '/upload/image', form)
    const { name: given, subfolder } = stored.parse(await response.json())
    return subfolder === '' ? given : `${subfolder}/${given}`
  }

  /** The files that the nodes of a job showed. */
  files({ outputs }: Job): FileReference[] {
    const items = Object.values(outputs).flatMap((output) => Object.values(output))
    return items
      .flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []))
      .flatMap((item) => {
        const found = file.safeParse(item)
        return found.success ? [found.data] : []
      })
  }

  /** Address of a file's bytes; `preview` asks for a smaller picture, such as `webp;80`. */
  address({ filename, subfolder, type }: FileReference, preview?: string): string {
    const query = new URLSearchParams({ filename, subfolder, type, ...(preview === undefined ? {} : { preview }) })
    return `${this.#base}/view?${query.toString()}`
  }

  async download(reference: FileReference): Promise<Uint8Array> {
    const response = await this.#request('GET', this.address(reference).slice(this.#base.length))
    return new Uint8Array(await response.arrayBuffer())
  }

  #path(id: string): string {
    return `/heddle/jobs/${encodeURIComponent(id)}`
  }

  async #json(method: string, path: string, body?: unknown): Promise<unknown> {
    return parseJson(await (await this.#request(method, path, body)).text())
  }

  async #request(method: string, path: string, body?: unknown): Promise<Response> {
    const isForm = body instanceof FormData
    const type = body === undefined || isForm ? {} : { 'Content-Type': 'application/json' }
    const content = body === undefined ? {} : { body: isForm ? body : stringifyJson(body) }
    const init = { method, headers: { ...this.#headers, ...type }, ...content }
    const response = await fetch(this.#base + path, init).catch((cause: unknown) => {
      throw new HeddleError(`The server does not answer (${path}): ${String(cause)}`, 0)
    })
    if (response.ok) return response
    const text = await response.text()
    let answer: unknown = null
    try {
      answer = parseJson(text)
    } catch {
      // The text itself says why.
    }
    const { data } = refusal.safeParse(answer)
    const why = typeof data?.error === 'string' ? data.error : (data?.error.message ?? text.trim().slice(0, 300))
    throw new HeddleError(`${method} ${path} answered ${response.status}: ${why}`, response.status, answer)
  }
}
