/** Tells a URL that a job has ended: signed, to public addresses only, tried again when it fails. */
import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { resolvePublic, webhookFault } from '../guard/address.ts'
import { isRecord } from '../json.ts'

export interface WebhookOptions {
  /** Key of the signatures. */
  readonly secret: string
  /** Whether addresses of this machine and network may be called. */
  readonly allowPrivate: boolean
  readonly onNotice: (message: string) => void
}

/** Milliseconds before each further try, and after which one is given up. */
const PAUSES = [1000, 5000, 30_000]
const TIMEOUT = 10_000
/** Calls that may be under way or waiting for their next try. */
const MAX_OPEN = 200

/** `t=<seconds since 1970>,v1=<hex of HMAC-SHA256 over "<t>.<body>">` */
export const signature = (secret: string, seconds: number, body: string): string =>
  `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`

/** The key in the file at `path`; made when there is none. Throws when it can be neither read nor made. */
export function secretFrom(path: string): string {
  try {
    if (!existsSync(path)) writeFileSync(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 })
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`The key of webhooks cannot be read: ${why}; give another one with --webhook-secret.`, {
      cause: error,
    })
  }
}

/** The URL that a job's submitter gave, if any. */
export function webhookOf(extraData: Readonly<Record<string, unknown>>): string | null {
  const heddle = extraData['heddle']
  const url = isRecord(heddle) ? heddle['webhook'] : null
  return typeof url === 'string' ? url : null
}

export class Webhooks {
  readonly #options: WebhookOptions
  readonly #timers = new Set<NodeJS.Timeout>()
  #open = 0

  constructor(options: WebhookOptions) {
    this.#options = options
  }

  get allowPrivate(): boolean {
    return this.#options.allowPrivate
  }

  /** Posts `body`, JSON, to `url` until it is taken or has failed too often. */
  send(url: string, body: string): void {
    if (this.#open >= MAX_OPEN) {
      this.#options.onNotice(`webhook ${url}: too many wait already; it is dropped`)
      return
    }
    this.#open++
    void this.#try(url, body, 0)
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }

  async #try(url: string, body: string, tries: number): Promise<void> {
    try {
      await this.#post(new URL(url), body)
      this.#open--
    } catch (error) {
      const pause = PAUSES[tries]
      const why = error instanceof Error ? error.message : String(error)
      this.#options.onNotice(`webhook ${url}: ${why}${pause === undefined ? '; given up' : ''}`)
      if (pause === undefined) {
        this.#open--
        return
      }
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        void this.#try(url, body, tries + 1)
      }, pause)
      this.#timers.add(timer.unref())
    }
  }

  async #post(url: URL, body: string): Promise<void> {
    const { secret, allowPrivate } = this.#options
    const fault = webhookFault(url.href, allowPrivate)
    if (fault !== null) throw new Error(fault)
    const { address, family } = await resolvePublic(url.hostname, allowPrivate)
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'User-Agent': 'heddle',
      'Heddle-Event': 'job.ended',
      'Heddle-Signature': signature(secret, Math.floor(Date.now() / 1000), body),
    }
    // The connection goes to the address that was looked at, whatever the name says a moment later.
    const lookup = (_host: string, options: { all?: boolean }, done: (...args: never[]) => void): void => {
      const answer = done as (error: null, address: unknown, family?: number) => void
      if (options.all === true) answer(null, [{ address, family }])
      else answer(null, address, family)
    }
    const send = url.protocol === 'https:' ? requestHttps : requestHttp
    await new Promise<void>((resolve, reject) => {
      const sent = send(
        url,
        { method: 'POST', headers, lookup: lookup as never, agent: false, signal: AbortSignal.timeout(TIMEOUT) },
        (response) => {
          response.resume()
          const { statusCode = 0 } = response
          // A redirect is an answer like any other that is not a success: it is not followed.
          if (statusCode >= 200 && statusCode < 300) resolve()
          else reject(new Error(`it answered ${statusCode}`))
        },
      )
      sent.once('error', reject)
      sent.end(body)
    })
  }
}
