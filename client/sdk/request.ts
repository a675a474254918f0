/** Requests to the server: every failure says what was asked for, every refusal names the nodes and inputs at fault. */
import { parseJson, stringifyJson } from './json.ts'
import { z } from './zod.ts'

/** One thing wrong with a prompt; `node` and `input` as far as the server names them. */
export interface PromptFault {
  readonly node: string | null
  readonly input: string | null
  readonly message: string
}

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

  /** What is wrong with a prompt that was refused; empty for any other error. */
  get faults(): readonly PromptFault[] {
    return faultsOf(this.answer)
  }
}

const fault = z.object({
  type: z.string().catch(''),
  message: z.string().catch(''),
  details: z.string().catch(''),
  extra_info: z.object({ input_name: z.string().optional(), node_id: z.string().optional() }).catch({}),
})
const nodeErrors = z.record(z.string(), z.object({ errors: z.array(fault) })).catch({})
const refusal = z.object({
  error: z.union([fault, z.string()]).nullish().catch(null),
  node_errors: nodeErrors.optional(),
})

const sentence = (message: string, details: string): string =>
  details === '' || message.includes(details) ? message : message === '' ? details : `${message}: ${details}`

/** The faults in an answer: those of nodes, else the one of the prompt as a whole. */
export function faultsOf(answer: unknown): PromptFault[] {
  const { error, node_errors } = refusal.safeParse(answer).data ?? {}
  const inNodes = Object.entries(node_errors ?? {}).flatMap(([node, { errors }]) =>
    errors.map(({ message, details, extra_info }) => ({
      node,
      input: extra_info.input_name ?? null,
      message: sentence(message, details),
    })),
  )
  if (inNodes.length > 0 || error == null) return inNodes
  if (typeof error === 'string') return [{ node: null, input: null, message: error }]
  const { message, details, extra_info } = error
  return [{ node: extra_info.node_id ?? null, input: null, message: sentence(message, details) }]
}

/** Why the server refused, in its own words where it has some. */
function reasonOf(answer: unknown, text: string, status: string): string {
  const { error } = refusal.safeParse(answer).data ?? {}
  const said = typeof error === 'string' ? error : error && sentence(error.message, error.details)
  return [said, text.trim().slice(0, 300), status].find(Boolean) ?? ''
}

function parsed(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return null
  }
}

export type Method = 'GET' | 'POST' | 'DELETE'

/** The routes of one server. */
export class Routes {
  /** Address that every path is appended to. */
  readonly base: string
  readonly #token: string | undefined

  /** `url` is the server's address; empty for the page's own server. */
  constructor(url: string, token?: string) {
    this.base = `${url.replace(/\/+$/, '')}/api`
    this.#token = token
  }

  /** Address of the WebSocket; the token is in it, since browsers send no headers of ours with it. */
  socket(query: Readonly<Record<string, string>>): URL {
    const page = typeof location === 'undefined' ? undefined : location.href
    const address = new URL(`${this.base}/ws`, page)
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
    const token = this.#token === undefined ? {} : { token: this.#token }
    for (const [name, value] of Object.entries({ ...query, ...token })) address.searchParams.set(name, value)
    return address
  }

  /** The answer to a request whose body is a form, JSON as text, or a value; throws HeddleError when it is refused or when none comes. */
  async send(method: Method, path: string, body?: unknown): Promise<Response> {
    const isForm = body instanceof FormData
    const type = body === undefined || isForm ? {} : { 'Content-Type': 'application/json' }
    const token = this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` }
    const content = body === undefined ? {} : { body: isForm || typeof body === 'string' ? body : stringifyJson(body) }
    const init = { method, headers: { ...token, ...type }, ...content }
    const response = await fetch(this.base + path, init).catch((cause: unknown) => {
      throw new HeddleError(`The server does not answer (${path}): ${String(cause)}`, 0)
    })
    if (response.ok) return response
    const text = await response.text()
    const answer = parsed(text)
    const why = reasonOf(answer, text, response.statusText)
    throw new HeddleError(`${method} ${path} answered ${response.status}: ${why}`, response.status, answer)
  }

  /** The JSON of an answer, whole numbers of 64 bits exact. */
  async json(method: Method, path: string, body?: unknown): Promise<unknown> {
    return parseJson(await (await this.send(method, path, body)).text())
  }

  /** As json, but null where there is nothing under the path. */
  async found(path: string): Promise<unknown> {
    try {
      return await this.json('GET', path)
    } catch (error) {
      if (error instanceof HeddleError && error.status === 404) return null
      throw error
    }
  }
}
