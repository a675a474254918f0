/** heddle serve: starts the server, prints its address, and ends cleanly when asked to. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { startApp } from '../app.ts'
import { cachePolicyOf, missingDirs, placesOf, type CacheOptions, type PlaceOptions } from '../config.ts'
import { isLoopback } from '../guard/guard.ts'

export interface ServeOptions extends PlaceOptions, CacheOptions {
  readonly host: string
  /** True for `--listen` without an address. */
  readonly listen?: string | true
  readonly port: number
  readonly token?: string
  readonly allowedHost?: readonly string[]
  readonly webhookSecret?: string
  readonly webhookAllowPrivate?: boolean
  readonly maxUploadSize: number
  readonly maxQueue: number
  readonly previewSize: number
  readonly grace: number
  readonly disableMetadata?: boolean
  readonly dev?: boolean
  readonly frontEndRoot?: string
}

const MIN_TOKEN = 16
/** Milliseconds that an orderly end may take. */
const PATIENCE = 10_000

function hostOf(options: ServeOptions): string {
  return options.listen === true ? '0.0.0.0' : (options.listen ?? options.host)
}

/** Throws when the combination is unsafe or refers to what is not there. */
function checkOptions(host: string, options: ServeOptions): void {
  if (!isLoopback(host) && options.token === undefined)
    throw new Error(
      `Listening on ${host} lets other machines in, which needs a token: --token TEXT (at least ${MIN_TOKEN} characters).`,
    )
  if (options.token !== undefined && !/^[\w.~+/=-]+$/.test(options.token))
    throw new Error('--token may have letters, digits and -._~+/= only, since it travels in headers.')
  if (options.token !== undefined && options.token.length < MIN_TOKEN)
    throw new Error(`--token must have at least ${MIN_TOKEN} characters.`)
  const missing = missingDirs([...(options.models ?? []), ...(options.nodes ?? [])])
  if (missing.length > 0) throw new Error(`These folders do not exist: ${missing.join(', ')}`)
  if (options.frontEndRoot !== undefined && !existsSync(join(options.frontEndRoot, 'index.html')))
    throw new Error(`--front-end-root ${options.frontEndRoot} has no index.html: give the folder of a built front end.`)
}

/** What to tell of a server that does not start; only what `listen` threw is about the address. */
export function explained(error: unknown, host: string, port: number): Error {
  const known: NodeJS.ErrnoException = error instanceof Error ? error : new Error(String(error))
  const { code, syscall } = known
  if (code === 'ENOTFOUND') return new Error(`${host} is no address of this machine.`)
  if (syscall !== 'listen') return known
  if (code === 'EADDRINUSE') return new Error(`Port ${port} is in use. Choose another: heddle serve --port ${port + 1}`)
  if (code === 'EACCES') return new Error(`Port ${port} needs more rights. Choose one above 1023: --port 8188`)
  if (code === 'EADDRNOTAVAIL') return new Error(`${host} is no address of this machine.`)
  return known
}

export async function serve(options: ServeOptions): Promise<void> {
  const host = hostOf(options)
  checkOptions(host, options)
  const app = await startApp({
    places: placesOf(options),
    host,
    port: options.port,
    token: options.token ?? null,
    allowedHosts: options.allowedHost ?? [],
    metadata: options.disableMetadata !== true,
    previewSize: options.previewSize,
    grace: options.grace * 1000,
    maxUpload: options.maxUploadSize * 1_000_000,
    maxQueue: options.maxQueue,
    cache: cachePolicyOf(options),
    webhookAllowPrivate: options.webhookAllowPrivate ?? false,
    ...(options.webhookSecret === undefined ? {} : { webhookSecret: options.webhookSecret }),
    dev: options.dev === true,
    ...(options.frontEndRoot === undefined ? {} : { frontEnd: resolve(options.frontEndRoot) }),
    onNotice: (message) => process.stderr.write(`heddle: ${message}\n`),
  }).catch((error: unknown) => {
    throw explained(error, host, options.port)
  })
  let stopping = false
  const stop = () => {
    // A second signal does not wait.
    if (stopping) process.exit(1)
    stopping = true
    // Whoever asked for the end will not wait forever; what is on disk is whole at any moment.
    setTimeout(() => process.exit(1), PATIENCE).unref()
    void app.close().then(() => process.exit(0))
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
  // Whoever waits for the address may ask for the end as soon as it is there.
  process.stdout.write(`${app.url}\n`)
}
