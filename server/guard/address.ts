/** Which addresses the server may call by itself: none of its own machine or network unless that is allowed. */
import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'

/** Loopback, private, link-local, shared, documentation, multicast and reserved ranges; those that wrap IPv4 in IPv6. */
const CLOSED_4 = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24',
  '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24',
  '224.0.0.0/4', '240.0.0.0/4',
] // prettier-ignore
/** Of IPv6 only 2000::/3 is public; these lie in it and are not. */
const CLOSED_6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']

const closed = new BlockList()
for (const range of CLOSED_4) closed.addSubnet(range.split('/')[0] ?? '', Number(range.split('/')[1]), 'ipv4')
for (const range of CLOSED_6) closed.addSubnet(range.split('/')[0] ?? '', Number(range.split('/')[1]), 'ipv6')
const global6 = new BlockList()
global6.addSubnet('2000::', 3, 'ipv6')

/** Whether an IP address is one of the public internet. */
export function isPublic(address: string): boolean {
  const kind = isIP(address)
  if (kind === 4) return !closed.check(address, 'ipv4')
  return kind === 6 && global6.check(address, 'ipv6') && !closed.check(address, 'ipv6')
}

/** Why a URL cannot be called, as far as its text tells; null when it can. */
export function webhookFault(text: string, allowPrivate: boolean): string | null {
  if (!URL.canParse(text)) return 'expected a URL'
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'expected http: or https:'
  if (url.username !== '' || url.password !== '') return 'a URL with a password is not taken'
  if (allowPrivate) return null
  // The parser has made dotted numbers of octal, hexadecimal and short forms.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const isOwn = /(^|\.)(localhost|local|internal|home\.arpa)\.?$/i.test(host) || (isIP(host) !== 0 && !isPublic(host))
  return isOwn ? `'${host}' is an address of this machine or network; allow it with --webhook-allow-private` : null
}

export interface Resolved {
  readonly address: string
  readonly family: 4 | 6
}

/** The one address to connect to: looked up once, and refused if any of a name's addresses is not public. */
export async function resolvePublic(host: string, allowPrivate: boolean): Promise<Resolved> {
  const bare = host.replace(/^\[|\]$/g, '')
  const found = await lookup(bare, { all: true, verbatim: true })
  const wrong = allowPrivate ? undefined : found.find(({ address }) => !isPublic(address))
  if (wrong) throw new Error(`'${bare}' leads to ${wrong.address}, an address of this machine or network`)
  const [first] = found
  if (!first) throw new Error(`'${bare}' has no address`)
  return { address: first.address, family: first.family === 6 ? 6 : 4 }
}
