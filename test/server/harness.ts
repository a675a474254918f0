/** Starts real servers on free ports and listens to them the way clients do. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'

const ROOT = join(import.meta.dirname, '../..')
const HEDDLE = join(ROOT, 'bin/heddle.mjs')
export const PACK = join(ROOT, 'test/packs/basic')
/** The classes that ComfyUI's own execution tests use. */
export const EXECUTION_PACK = join(ROOT, 'test/packs/execution')

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line to its end. */
export function heddle(args: readonly string[]): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [HEDDLE, ...args], { cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (text: Buffer) => (stdout += text.toString()))
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

export const freshData = (): Promise<string> => mkdtemp(join(tmpdir(), 'heddle-test-'))
export const removeData = (data: string): Promise<void> => rm(data, { recursive: true, force: true })

export interface TestServer {
  readonly url: string
  readonly data: string
  readonly child: ChildProcess
  readonly stderr: () => string
  /** Sends the signal and waits for the end; returns the exit code, null after a signal that kills. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
  /** Stops it and removes its data. */
  end(): Promise<void>
}

/** Starts `heddle serve` on a free port over `data`, with the test pack, and waits for its address. */
export async function serve(data: string, args: readonly string[] = [], pack = PACK): Promise<TestServer> {
  const all = [HEDDLE, 'serve', '--port', '0', '--data', data, '--nodes', pack, ...args]
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (text: Buffer) => resolve(text.toString().trim()))
    void ended.then((code) => reject(new Error(`the server ended with ${String(code)}: ${stderr}`)))
  })
  const stop = (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal)
    return ended
  }
  const end = async () => {
    await stop()
    await removeData(data)
  }
  return { url, data, child, stderr: () => stderr, stop, end }
}

/** The same over data of its own. */
export const serveFresh = async (args: readonly string[] = [], pack = PACK): Promise<TestServer> =>
  serve(await freshData(), args, pack)

export interface Event {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}
/** A binary frame; in `log` it stands as an event of type 'frame <kind>'. */
const asEvent = (raw: Buffer, isBinary: boolean): Event =>
  isBinary ? { type: `frame ${raw.readUInt32BE(0)}`, data: { bytes: raw } } : (JSON.parse(raw.toString()) as Event)

/** What bodies of answers may hold; a test looks at the parts that its route gives. */
export interface Body {
  readonly prompt_id: string
  readonly number: number
  readonly error: { readonly type: string; readonly message: string; readonly details: string }
  readonly node_errors: Readonly<
    Record<
      string,
      {
        readonly errors: readonly {
          readonly type: string
          readonly details: string
          readonly extra_info: { readonly input_name?: string }
        }[]
        readonly dependent_outputs: readonly string[]
      }
    >
  >
  readonly exec_info: { readonly queue_remaining: number }
  readonly queue_running: readonly (readonly unknown[])[]
  readonly queue_pending: readonly (readonly unknown[])[]
}

export interface Answer {
  readonly status: number
  readonly text: string
  readonly json: Body
}

/** A websocket client that keeps everything it hears. */
export class Client {
  readonly id: string
  readonly log: Event[] = []
  readonly #url: string
  readonly #socket: WebSocket
  readonly #waiting = new Set<() => void>()

  private constructor(url: string, id: string) {
    this.#url = url
    this.id = id
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/ws?clientId=${id}`)
    this.#socket.on('message', (raw: Buffer, isBinary) => {
      this.log.push(asEvent(raw, isBinary))
      for (const check of this.#waiting) check()
    })
  }

  static async connect(server: TestServer, id = `client-${Math.random()}`): Promise<Client> {
    const client = new Client(server.url, id)
    await client.until((event) => event.type === 'status')
    return client
  }

  send(message: unknown): void {
    this.#socket.send(JSON.stringify(message))
  }

  close(): void {
    this.#socket.terminate()
  }

  /** The first event, heard already or yet to come, that fits. */
  until(fits: (event: Event) => boolean, seconds = 15): Promise<Event> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(check)
        reject(new Error(`not heard in ${seconds} s; heard: ${this.log.map(({ type }) => type).join(' ')}`))
      }, seconds * 1000)
      const check = () => {
        const found = this.log.find(fits)
        if (!found) return
        clearTimeout(late)
        this.#waiting.delete(check)
        resolve(found)
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** The end of a prompt. */
  ended(promptId: string): Promise<Event> {
    return this.until(
      ({ type, data }) => type === 'executing' && data['node'] === null && data['prompt_id'] === promptId,
    )
  }

  /** Queues a prompt as this client and returns its id. Throws when it is refused. */
  async queue(prompt: unknown, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const answer = await post(this.#url, '/prompt', { prompt, client_id: this.id, ...more })
    if (answer.status !== 200) throw new Error(answer.text)
    return answer.json.prompt_id
  }

  /** Queues a prompt and waits for its end. */
  async run(prompt: unknown, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const id = await this.queue(prompt, more)
    await this.ended(id)
    return id
  }

  /** Types of the events of one prompt in order, `executing` and `executed` with their node. */
  story(promptId: string): string[] {
    return this.log
      .filter(({ type, data }) => data['prompt_id'] === promptId && !/^(progress|heddle)/.test(type))
      .map(({ type, data }) => (/^execut(ing|ed)$/.test(type) ? `${type} ${String(data['node'])}` : type))
  }

  event(promptId: string, type: string): Event['data'] | undefined {
    return this.log.find((event) => event.type === type && event.data['prompt_id'] === promptId)?.data
  }
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined
  }
  return { status: response.status, text, json: json as Body }
}

export const get = async (url: string, path: string, headers: Record<string, string> = {}): Promise<Answer> =>
  answerOf(await fetch(url + path, { headers }))

/** Posts JSON; a text goes as it is. */
export const post = async (
  url: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = { 'Content-Type': 'application/json' },
): Promise<Answer> =>
  answerOf(
    await fetch(url + path, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) }),
  )

/** A node of an API prompt. */
export const node = (class_type: string, inputs: Readonly<Record<string, unknown>> = {}) => ({ class_type, inputs })

/** 1 constant -> 2 sum -> 3 shown. */
export const chain = (value: number) => ({
  1: node('TestConst', { value }),
  2: node('TestAdd', { a: ['1', 0], b: 1 }),
  3: node('TestShow', { value: ['2', 0] }),
})

/** A history entry as a test looks at it. */
export interface Entry {
  readonly status: {
    readonly status_str: string
    readonly completed: boolean
    readonly messages: readonly [string, unknown][]
  }
  readonly outputs: Readonly<Record<string, unknown>>
  readonly prompt: readonly [
    number,
    string,
    Readonly<Record<string, { readonly inputs: Readonly<Record<string, unknown>> }>>,
    { readonly extra_pnginfo: { readonly workflow: { readonly nodes: readonly unknown[] } } },
  ]
}

/** The whole history, oldest first. */
export const historyOf = async (url: string): Promise<Readonly<Record<string, Entry>>> =>
  (await get(url, '/history')).json as unknown as Record<string, Entry>

/** The history entry of a prompt that has ended. Waits for it. */
export async function entryOf(url: string, id: string): Promise<Entry> {
  for (let tries = 0; tries < 100; tries++) {
    const found = (await get(url, `/history/${id}`)).json as unknown as Record<string, Entry>
    if (found[id]) return found[id]
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`the prompt ${id} is not in the history`)
}

/** Prompts that run or wait. */
export const remaining = async (url: string): Promise<number> =>
  (await get(url, '/prompt')).json.exec_info.queue_remaining
