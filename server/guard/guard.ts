/** Who may talk to the server: Host, Sec-Fetch-Site, Origin, token. One function for HTTP requests and websocket upgrades. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'

export interface GuardOptions {
  /** The address the server listens on. */
  readonly host: string
  /** Further host names that may stand in the Host header. */
  readonly allowedHosts: readonly string[]
  /** Asked of everyone when set. */
  readonly token: string | null
}

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
}

/** A refusal: HTTP status and why. */
export interface Refusal {
  readonly status: 401 | 403 | 415 | 421
  readonly reason: string
}

export const TOKEN_COOKIE = 'heddle_token'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/i
export const isLoopback = (host: string): boolean => LOOPBACK.test(host)

/** Content types that a form of another site can send without the browser asking first. */
const FORM_TYPE = /^\s*(application\/x-www-form-urlencoded|text\/plain|multipart\/form-data)/i

/** Host name of a Host header without its port; null for what is none. */
function hostName(header: string | undefined): string | null {
  const match = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::\d{1,5})?$/i.exec(header ?? '')
  return match?.[1]?.toLowerCase() ?? null
}

/**
 * An attacker's page can make its own name point here (DNS rebinding), so names are allowed one by one. Addresses cannot be
 * rebound: behind a token any of them is fine.
 */
function hostAllowed(name: string, options: GuardOptions): boolean {
  if (isLoopback(name) || name.endsWith('.localhost')) return true
  if (name === options.host.toLowerCase() || options.allowedHosts.some((one) => one.toLowerCase() === name)) return true
  return options.token !== null && isIP(name.replace(/^\[|\]$/g, '')) !== 0
}

/** Whether a URL-like header names the very host that was asked. */
function sameHost(url: string, host: string | undefined): boolean {
  return URL.canParse(url) && new URL(url).host.toLowerCase() === host?.toLowerCase()
}

/** Compares in constant time, whatever the lengths. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

function tokenOf({ headers, query }: Asked): string | null {
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  const cookie = new RegExp(`(?:^|;\\s*)${TOKEN_COOKIE}=([^;\\s]+)`).exec(headers.cookie ?? '')?.[1]
  return bearer ?? query.get('token') ?? cookie ?? null
}

function crossSite(asked: Asked): string | null {
  const { headers, method, path } = asked
  const site = headers['sec-fetch-site']
  const opensPage = method === 'GET' && path === '/' && headers['sec-fetch-mode'] === 'navigate'
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !opensPage)
    return `requests from other sites are refused (Sec-Fetch-Site: ${site.slice(0, 40)})`
  const { origin } = headers
  if (origin !== undefined && !sameHost(origin, headers.host)) return 'the Origin is not this server'
  return null
}

/** Why a request is refused, or null. The order: host, other sites, forms of other sites, token. */
export function refusal(asked: Asked, options: GuardOptions): Refusal | null {
  const { headers, method } = asked
  const name = hostName(headers.host)
  if (name === null || !hostAllowed(name, options))
    return { status: 421, reason: 'this server does not answer to that Host; allow it with --allowed-host NAME' }
  const foreign = crossSite(asked)
  if (foreign !== null) return { status: 403, reason: foreign }
  const isForm = method !== 'GET' && method !== 'HEAD' && FORM_TYPE.test(headers['content-type'] ?? '')
  if (isForm && headers.referer !== undefined && !sameHost(headers.referer, headers.host))
    return { status: 415, reason: 'forms of other sites are refused; send application/json' }
  if (options.token === null) return null
  const given = tokenOf(asked)
  if (given !== null && same(given, options.token)) return null
  return { status: 401, reason: 'a token is needed: header "Authorization: Bearer TOKEN" or ?token=TOKEN' }
}
