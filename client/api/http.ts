/** The server's HTTP routes as functions: every answer is checked, every failure says what was asked for. */
import { z } from '../model/zod.ts'
import { parseJson, stringifyJson } from '../model/json.ts'
import type { Prompt } from '../../formats/workflow/to-prompt.ts'
import { fileReference, nodeOutput, type FileReference } from './events.ts'

const API = '/api'

/** The request could not be made, or was refused. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** HTTP status; 0 when no answer came. */
  readonly status: number
  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

async function request(path: string, init?: RequestInit): Promise<Response> {
  try {
    return await fetch(`${API}${path}`, init)
  } catch {
    throw new RequestError(`The server does not answer (${path}).`, 0)
  }
}

/** The JSON of a GET; throws RequestError when there is none. */
export async function getJson(path: string): Promise<unknown> {
  const response = await request(path)
  if (!response.ok)
    throw new RequestError(`${path} answered ${response.status} ${response.statusText}.`, response.status)
  return parseJson(await response.text())
}

async function post(path: string, body: unknown): Promise<Response> {
  return request(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: stringifyJson(body),
  })
}

async function mustPost(path: string, body: unknown): Promise<void> {
  const response = await post(path, body)
  if (!response.ok)
    throw new RequestError(`${path} answered ${response.status} ${response.statusText}.`, response.status)
}

/** Address of a file's bytes; `width` asks for a small preview. */
export function viewUrl(file: FileReference, preview = false): string {
  const query = new URLSearchParams({ filename: file.filename, subfolder: file.subfolder, type: file.type })
  if (preview) query.set('preview', 'webp;80')
  return `${API}/view?${query.toString()}`
}

export const objectInfo = (): Promise<unknown> => getJson('/object_info')

// --- prompts ---------------------------------------------------------------

const fault = z.object({
  type: z.string().catch(''),
  message: z.string().catch(''),
  details: z.string().catch(''),
  extra_info: z.object({ input_name: z.string().optional(), node_id: z.string().optional() }).catch({}),
})
const nodeErrors = z
  .record(z.string(), z.object({ class_type: z.string().catch(''), errors: z.array(fault) }))
  .catch({})
const refusal = z.object({ error: z.union([fault, z.string()]).optional(), node_errors: nodeErrors.optional() })
const accepted = z.object({ prompt_id: z.string(), number: z.number(), node_errors: nodeErrors.optional() })

/** One thing wrong with a prompt; `node` and `input` as far as the server names them. */
export interface PromptFault {
  readonly node: string | null
  readonly input: string | null
  readonly message: string
}
export interface PromptAnswer {
  /** Null when the prompt was refused. */
  readonly id: string | null
  readonly faults: readonly PromptFault[]
}

const sentence = (message: string, details: string): string =>
  details === '' || message.includes(details) ? message : message === '' ? details : `${message}: ${details}`

function faultsOf(found: z.infer<typeof refusal>): PromptFault[] {
  const inNodes = Object.entries(found.node_errors ?? {}).flatMap(([node, { errors }]) =>
    errors.map(({ message, details, extra_info }) => ({
      node,
      input: extra_info.input_name ?? null,
      message: sentence(message, details),
    })),
  )
  if (inNodes.length > 0 || found.error === undefined) return inNodes
  if (typeof found.error === 'string') return [{ node: null, input: null, message: found.error }]
  const { message, details, extra_info } = found.error
  return [{ node: extra_info.node_id ?? null, input: null, message: sentence(message, details) }]
}

/** Queues a prompt. A refusal is an answer, not an exception; RequestError when there is no answer. */
export async function queuePrompt(prompt: Prompt, workflow: unknown, client: string): Promise<PromptAnswer> {
  const response = await post('/prompt', { client_id: client, prompt, extra_data: { extra_pnginfo: { workflow } } })
  const text = await response.text()
  let json: unknown
  try {
    json = parseJson(text)
  } catch {
    throw new RequestError(`/prompt answered ${response.status}: ${text.slice(0, 200)}`, response.status)
  }
  if (response.ok) {
    const answer = accepted.parse(json)
    return { id: answer.prompt_id, faults: faultsOf({ node_errors: answer.node_errors }) }
  }
  const faults = faultsOf(refusal.parse(json))
  return {
    id: null,
    faults:
      faults.length > 0
        ? faults
        : [{ node: null, input: null, message: `The server refused the prompt (${response.status}).` }],
  }
}

// --- queue and history -----------------------------------------------------

const queueItem = z.tuple([z.number(), z.string()], z.unknown()).transform(([number, id]) => ({ number, id }))
const queueAnswer = z.object({ queue_running: z.array(queueItem), queue_pending: z.array(queueItem) })

export interface QueueItem {
  readonly number: number
  readonly id: string
}
export interface Queue {
  readonly running: readonly QueueItem[]
  readonly pending: readonly QueueItem[]
}

export async function readQueue(): Promise<Queue> {
  const { queue_running: running, queue_pending: pending } = queueAnswer.parse(await getJson('/queue'))
  return { running, pending: pending.sort((a, b) => a.number - b.number) }
}

export const removePending = (ids: readonly string[]): Promise<void> => mustPost('/queue', { delete: ids })
export const interrupt = (id: string): Promise<void> => mustPost('/interrupt', { prompt_id: id })
export const removeHistory = (ids: readonly string[]): Promise<void> => mustPost('/history', { delete: ids })

const message = z.tuple([z.string(), z.record(z.string(), z.unknown())], z.unknown())
const historyEntry = z.object({
  prompt: z.tuple([z.number(), z.string(), z.unknown(), z.unknown()], z.unknown()),
  outputs: z.record(z.string(), nodeOutput).catch({}),
  status: z
    .object({
      status_str: z.string().catch(''),
      completed: z.boolean().catch(false),
      messages: z.array(message).catch([]),
    })
    .nullish(),
})

export interface HistoryItem {
  readonly id: string
  readonly number: number
  readonly outcome: 'success' | 'error' | 'cancelled'
  readonly error: string | null
  /** From the start of the run to its end, null if the server does not say. */
  readonly seconds: number | null
  readonly images: readonly { node: string; file: FileReference }[]
  /** The workflow as it was queued, unchecked. */
  readonly workflow: unknown
}

const dataOf = (entry: z.infer<typeof historyEntry>, type: string): Record<string, unknown> | undefined =>
  entry.status?.messages.find(([name]) => name === type)?.[1]

function historyItem(id: string, entry: z.infer<typeof historyEntry>): HistoryItem {
  const [start, error] = [dataOf(entry, 'execution_start'), dataOf(entry, 'execution_error')]
  const cancelled = dataOf(entry, 'execution_interrupted')
  const end = dataOf(entry, 'execution_success') ?? error ?? cancelled
  const [from, to] = [start?.['timestamp'], end?.['timestamp']]
  const extra = z.object({ extra_pnginfo: z.object({ workflow: z.unknown() }) }).safeParse(entry.prompt[3])
  const reason = error?.['exception_message']
  return {
    id,
    number: entry.prompt[0],
    outcome: cancelled ? 'cancelled' : entry.status?.status_str === 'error' ? 'error' : 'success',
    error: typeof reason === 'string' ? reason.trim() : null,
    seconds: typeof from === 'number' && typeof to === 'number' ? (to - from) / 1000 : null,
    images: Object.entries(entry.outputs).flatMap(([node, output]) =>
      (output.images ?? []).map((file) => ({ node, file })),
    ),
    workflow: extra.success ? extra.data.extra_pnginfo.workflow : undefined,
  }
}

/** The newest finished prompts, newest first. */
export async function readHistory(most = 64): Promise<HistoryItem[]> {
  const entries = z.record(z.string(), historyEntry).parse(await getJson(`/history?max_items=${most}`))
  return Object.entries(entries)
    .map(([id, entry]) => historyItem(id, entry))
    .reverse()
}

// --- files -----------------------------------------------------------------

/** Uploads a picture to the input folder and gives the name that it got. */
export async function uploadImage(file: File): Promise<string> {
  const form = new FormData()
  form.set('image', file)
  form.set('type', 'input')
  const response = await request('/upload/image', { method: 'POST', body: form })
  if (!response.ok)
    throw new RequestError(
      `The server refused '${file.name}' (${response.status}): ${(await response.text()).slice(0, 300)}`,
      response.status,
    )
  const stored = fileReference
    .extend({ filename: z.string().optional(), name: z.string() })
    .parse(await response.json())
  return stored.subfolder === '' ? stored.name : `${stored.subfolder}/${stored.name}`
}
