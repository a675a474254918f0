/** A real server to measure, and a client for it that costs little itself. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { ROOT } from '../options.ts'

export type Prompt = Readonly<Record<string, unknown>>

/** A constant, adders behind each other, an output: `length` nodes. */
export function chain(length: number, value: number): Prompt {
  const prompt: Record<string, unknown> = { 1: { class_type: 'BenchConst', inputs: { value } } }
  for (let i = 2; i < length; i++) prompt[i] = { class_type: 'BenchAdd', inputs: { a: [String(i - 1), 0], b: 1 } }
  prompt[length] = { class_type: 'BenchSink', inputs: { value: [String(length - 1), 0] } }
  return prompt
}

/** One constant that feeds `count` adders, each with an output of its own. */
export function wide(count: number, value: number): Prompt {
  const prompt: Record<string, unknown> = { c: { class_type: 'BenchConst', inputs: { value } } }
  for (let i = 0; i < count; i++) {
    prompt[`a${i}`] = { class_type: 'BenchAdd', inputs: { a: ['c', 0], b: i } }
    prompt[`s${i}`] = { class_type: 'BenchSink', inputs: { value: [`a${i}`, 0] } }
  }
  return prompt
}

export interface Target {
  readonly url: string
  readonly pid: number | undefined
  stop(): Promise<void>
}

/** Starts `heddle serve` as a user would, with the bench's node pack and a data folder of its own. */
export async function startServer(): Promise<Target> {
  const data = await mkdtemp(join(tmpdir(), 'heddle-bench-'))
  const args = ['serve', '--port', '0', '--data', data, '--nodes', join(ROOT, 'bench/engine/pack')]
  const child = spawn(process.execPath, [join(ROOT, 'bin/heddle.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (text: Buffer) => resolve(text.toString().trim()))
    void ended.then(() => reject(new Error('bench: the server did not start')))
  })
  return {
    url,
    pid: child.pid,
    async stop() {
      child.kill('SIGTERM')
      await ended
      await rm(data, { recursive: true, force: true })
    },
  }
}

/** Posts prompts and hears of their ends. */
export class Load {
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 })
  readonly #socket: WebSocket
  readonly #ends = new Map<string, () => void>()
  readonly #clientId = randomUUID()
  /** Of what came over the websocket. */
  messages = 0
  bytes = 0

  private constructor(url: string) {
    this.#url = url
    this.#socket = new WebSocket(`${url.replace('http', 'ws')}/ws?clientId=${this.#clientId}`)
    this.#socket.on('message', (raw: Buffer, isBinary) => {
      this.messages++
      this.bytes += raw.length
      if (isBinary || !raw.includes('"node":null')) return
      const { data } = JSON.parse(raw.toString()) as { data: { prompt_id: string } }
      this.#ends.get(data.prompt_id)?.()
      this.#ends.delete(data.prompt_id)
    })
  }

  static async connect(url: string): Promise<Load> {
    const load = new Load(url)
    await new Promise((resolve, reject) => load.#socket.once('open', resolve).once('error', reject))
    return load
  }

  close(): void {
    this.#socket.close()
    this.#agent.destroy()
  }

  /** Posts a prompt; throws when it is not accepted. */
  async post(prompt: Prompt, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const answer = await this.#send('POST', '/prompt', JSON.stringify({ prompt, ...more }))
    if (answer.status !== 200) throw new Error(`bench: a prompt was refused: ${answer.text.slice(0, 300)}`)
  }

  /** Posts a prompt as a client that listens, and waits for its end event. Milliseconds from before the post to the end. */
  async timed(prompt: Prompt): Promise<number> {
    const prompt_id = randomUUID()
    const end = new Promise<void>((resolve) => this.#ends.set(prompt_id, resolve))
    const started = performance.now()
    await this.post(prompt, { client_id: this.#clientId, prompt_id })
    await end
    return performance.now() - started
  }

  /** Posts `count` prompts from `posters` at once; prompts per second until all were accepted, and until all have run. */
  async rate(make: () => Prompt, count: number, posters: number): Promise<{ accepted: number; finished: number }> {
    const started = performance.now()
    let left = count
    const poster = async () => {
      while (left-- > 0) await this.post(make())
    }
    await Promise.all(Array.from({ length: posters }, poster))
    const accepted = (count / (performance.now() - started)) * 1000
    while ((await this.#remaining()) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    return { accepted, finished: (count / (performance.now() - started)) * 1000 }
  }

  async #remaining(): Promise<number> {
    const { text } = await this.#send('GET', '/prompt')
    return (JSON.parse(text) as { exec_info: { queue_remaining: number } }).exec_info.queue_remaining
  }

  #send(method: string, path: string, body = ''): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers =
        body === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const asked = request(this.#url + path, { method, agent: this.#agent, headers }, (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => (text += part))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      })
      asked.on('error', reject)
      asked.end(body)
    })
  }
}
