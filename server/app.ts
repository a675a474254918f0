/** Puts the parts of a server together: folders, database, engine, queue, routes, websocket. */
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import type { Duplex } from 'node:stream'
import express from 'express'
import { WebSocketServer } from 'ws'
import { emptyFolder, engineInit, makeFolders, PROGRAM, sweep, type Places } from './config.ts'
import type { CachePolicy, ObjectInfo } from './engine/protocol.ts'
import { Supervisor } from './engine/supervisor.ts'
import { watchPacks } from './engine/watch.ts'
import { MAX_SOCKETS } from './guard/flood.ts'
import { refusal, type GuardOptions } from './guard/guard.ts'
import type { Context } from './http/context.ts'
import { tellWebhook } from './http/jobs.ts'
import { serverFor } from './http/listener.ts'
import { routes } from './http/router.ts'
import { answerErrors, client, guard, headers } from './http/web.ts'
import { DELTAS, Dispatcher } from './queue/dispatcher.ts'
import { SqliteQueue } from './queue/sqlite.ts'
import { Jobs } from './jobs/jobs.ts'
import { secretFrom, Webhooks, webhookOf } from './jobs/webhooks.ts'
import { Watchers } from './jobs/watchers.ts'
import { Log } from './log.ts'
import { Hub } from './socket/hub.ts'
import { openDatabase } from './store/database.ts'
import { History } from './store/history.ts'
import { Settings } from './store/settings.ts'
import { Writer } from './store/writer.ts'

export interface AppOptions {
  readonly places: Places
  readonly host: string
  readonly port: number
  readonly token: string | null
  readonly allowedHosts: readonly string[]
  readonly metadata: boolean
  readonly previewSize: number
  /** Milliseconds until a cancelled job's engine is killed. */
  readonly grace: number
  /** Bytes. */
  readonly maxUpload: number
  readonly maxQueue: number
  readonly cache: CachePolicy
  /** Watches the node packs, and takes changed files at once. */
  readonly dev: boolean
  /** Key that signs webhooks; one is made and kept beside the database when none is given. */
  readonly webhookSecret?: string
  /** Whether webhooks may call addresses of this machine and network. */
  readonly webhookAllowPrivate?: boolean
  /** Folder of the built front end to serve instead of the program's own editor. */
  readonly frontEnd?: string
  readonly onNotice: (message: string) => void
}

export interface App {
  readonly url: string
  /** Process id of the engine, if one is alive. */
  readonly enginePid: () => number | undefined
  /** Stops listening, ends the engine, and leaves an unfinished job pending for the next start. */
  close(): Promise<void>
}

/** Largest message a client may send; they only tell their feature flags. */
const MAX_MESSAGE = 64 << 10
/** Milliseconds to wait for an engine that is computing before its last answer is used. */
const OBJECT_INFO_PATIENCE = 1500

/** Asks the engine for its nodes; while it is busy with a long run, the last answer stands in. */
function objectInfoOf(engine: Supervisor): () => Promise<ObjectInfo> {
  let last: ObjectInfo | null = null
  return async () => {
    const fresh = engine.objectInfo().then((info) => (last = info))
    if (!last) return fresh
    fresh.catch(() => undefined)
    const known = last
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<ObjectInfo>((resolve) => (timer = setTimeout(() => resolve(known), OBJECT_INFO_PATIENCE)))
    return Promise.race([fresh, late]).finally(() => clearTimeout(timer))
  }
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

/** Takes websocket upgrades at /ws and /api/ws that the guard lets through. */
function acceptSockets(server: Server, options: GuardOptions, hub: Hub, dispatcher: Dispatcher): WebSocketServer {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE, perMessageDeflate: false })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy())
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    const asked = { method: 'GET', path, query: new URLSearchParams(query), headers: request.headers }
    const refused = refusal(asked, options)
    const full = sockets.clients.size >= MAX_SOCKETS ? 503 : null
    const status = refused?.status ?? (path === '/ws' || path === '/api/ws' ? full : 404)
    if (status !== null) return void socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\n\r\n`)
    sockets.handleUpgrade(request, socket, head, (opened) => {
      const connection = hub.add(opened, asked.query.get('clientId'), socket)
      dispatcher.greet(connection)
      const since = asked.query.get('since')
      if (since !== null) hub.number(connection, since)
    })
  })
  return sockets
}

function serveWith(app: express.Express, context: Context, options: AppOptions): void {
  app.disable('x-powered-by')
  app.use(headers(options.frontEnd !== undefined), guard(options))
  const router = routes(context)
  app.use('/api', router)
  app.use(router)
  app.use(client(options.frontEnd ?? join(PROGRAM, 'client/dist')))
  app.use((_request, response) => void response.status(404).type('text/plain').send('Not found\n'))
  app.use(answerErrors(options.onNotice))
}

/** What ends the parts of a server, in the order in which they began. */
type Ends = (() => unknown)[]

async function endAll(ends: Ends): Promise<void> {
  for (let end = ends.pop(); end; end = ends.pop()) await end()
}

/** Starts a server and resolves once it listens; the engine comes up meanwhile. Nothing is left running when it throws. */
export async function startApp(options: AppOptions): Promise<App> {
  const ends: Ends = []
  try {
    return await start(options, ends)
  } catch (error) {
    await endAll(ends)
    throw error
  }
}

async function start(options: AppOptions, ends: Ends): Promise<App> {
  const { places } = options
  const log = new Log()
  const onNotice = (message: string) => {
    log.add(message)
    options.onNotice(message)
  }
  await makeFolders(places.folders)
  const opened = openDatabase(places.database)
  const { database, quarantined } = opened
  ends.push(() => opened.close())
  if (quarantined !== null)
    onNotice(`the database was damaged: it is now ${quarantined}, and a new one is in its place`)
  await Promise.all([emptyFolder(places.folders.temp), sweep(places.folders.output), sweep(places.folders.input)])

  const flags = { supports_preview_metadata: true, [DELTAS]: true, assets: false, max_upload_size: options.maxUpload }
  const hub = new Hub(flags)
  const writer = new Writer(database, places.database, (error) => onNotice(`database: ${error.message}`))
  ends.push(() => writer.close())
  const history = new History(database, writer)
  const queue = new SqliteQueue(database, writer)
  const lost = queue.recover()
  if (lost > 0) onNotice(`${lost} prompt was running when the last server ended: it runs again`)

  const web = express()
  const server = serverFor(web)
  await listen(server, options.port, options.host)
  ends.push(() => emptyFolder(places.folders.temp))
  ends.push(() => server.close().closeAllConnections())
  const engine: Supervisor = new Supervisor({
    init: engineInit(places, { ...options, markFile: `${places.database}.running` }),
    grace: options.grace,
    onEvents: (promptId, events) => dispatcher.receive(promptId, events),
    onDone: (promptId, outcome) => dispatcher.done(promptId, outcome),
    onReady: () => hub.broadcast('heddle.nodes', { problems: engine.problems }),
    onNotice,
  })
  const watchers = new Watchers()
  const dispatcher = new Dispatcher({ queue, history, hub, engine, observer: watchers, onNotice })
  ends.push(() => dispatcher.stop(() => engine.stop()))
  const webhooks = new Webhooks({
    secret: options.webhookSecret ?? secretFrom(join(dirname(places.database), 'webhook-secret')),
    allowPrivate: options.webhookAllowPrivate ?? false,
    onNotice,
  })
  ends.push(() => webhooks.close())
  const jobs = new Jobs({ queue, history, dispatcher, watchers })
  watchers.onEnd(({ job }) => tellWebhook(job.promptId, webhookOf(job.extraData), jobs, webhooks))
  const context: Context = {
    folders: places.folders,
    modelDirs: places.modelDirs,
    workflows: join(PROGRAM, 'workflows'),
    objectInfo: objectInfoOf(engine),
    settings: new Settings(database),
    ...{ queue, dispatcher, history, hub, engine, flags, jobs, log, webhooks },
    maxUpload: options.maxUpload,
    maxQueue: options.maxQueue,
  }
  serveWith(web, context, options)
  server.on('request', web)
  const sockets = acceptSockets(server, options, hub, dispatcher)
  ends.push(() => {
    server.close()
    hub.close()
    sockets.close()
  })
  dispatcher.wake()
  if (options.dev) ends.push(watchPacks(places.nodeDirs, () => engine.renew(), onNotice))

  const { port } = server.address() as AddressInfo
  const shownHost = options.host === '0.0.0.0' || options.host === '::' ? 'localhost' : options.host
  return {
    url: `http://${shownHost.includes(':') ? `[${shownHost}]` : shownHost}:${port}`,
    enginePid: () => engine.pid,
    close: () => endAll(ends),
  }
}
