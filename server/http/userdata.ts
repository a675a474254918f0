/** /userdata, /settings and /users: what the editor keeps for its user. */
import type { Request, Response, Router } from 'express'
import { NotFoundError, OutsideError } from '../store/confine.ts'
import { ExistsError, NotFolderError, UserData } from '../store/userdata.ts'
import { HttpError, jsonOf, objectOf, queryText, sendJson, sendNothing } from './body.ts'
import type { Context } from './context.ts'
import { readBytes, readText } from './read-body.ts'

const MAX_SETTINGS = 1 << 20

/**
 * What ComfyUI's editor opens at every start, whether it is there or not. Absent, these read as empty: a browser writes
 * every 404 to its console as an error.
 */
const EMPTY: ReadonlyMap<string, string> = new Map([
  ['user.css', ''],
  ['comfy.templates.json', '[]'],
  ['workflows/.index.json', '{"favorites":[]}'],
])
/** The one file that pages link: styles that its user wrote for them. */
const STYLES = 'user.css'

const flag = (request: Request, name: string, fallback: boolean): boolean => {
  const text = queryText(request, name)
  return text === null ? fallback : text === 'true'
}

/** `{file}` is one path segment whose slashes come as %2F, by some clients encoded twice. */
function fileName(segment: string | undefined): string {
  const name = segment ?? ''
  try {
    return /%2f/i.test(name) ? decodeURIComponent(name) : name
  } catch {
    return name
  }
}

/** Runs a handler and turns what the store throws into statuses. */
const answering =
  (handler: (request: Request, response: Response) => Promise<void>) =>
  async (request: Request, response: Response) => {
    try {
      await handler(request, response)
    } catch (error) {
      if (error instanceof NotFolderError) throw new HttpError(400, error.message)
      if (error instanceof OutsideError) throw new HttpError(403, error.message)
      if (error instanceof NotFoundError) throw new HttpError(404, error.message)
      if (error instanceof ExistsError) throw new HttpError(409, error.message)
      throw error
    }
  }

/** Throws NotFoundError for what is neither there nor one of the files that read as empty. */
async function readOrEmpty(store: UserData, name: string): Promise<Buffer> {
  try {
    return await store.read(name)
  } catch (error) {
    const empty = EMPTY.get(name)
    if (error instanceof NotFoundError && empty !== undefined) return Buffer.from(empty)
    throw error
  }
}

async function sendStyles(response: Response, store: UserData): Promise<void> {
  const styles = await readOrEmpty(store, STYLES)
  response.type('text/css').setHeader('Cache-Control', 'no-cache').send(styles)
}

async function sendStored(request: Request, response: Response, store: UserData, name: string): Promise<void> {
  sendJson(response, flag(request, 'full_info', false) ? await store.facts(name) : name)
}

function fileRoutes(router: Router, store: UserData, maxUpload: number): void {
  router.get(
    '/userdata',
    answering(async (request, response) => {
      const dir = queryText(request, 'dir') ?? ''
      if (dir === '') throw new HttpError(400, 'Directory not provided')
      const names = await store.list(dir, flag(request, 'recurse', false))
      if (flag(request, 'full_info', false))
        sendJson(response, await Promise.all(names.map((name) => store.facts(`${dir}/${name}`, name))))
      else sendJson(response, flag(request, 'split', false) ? names.map((name) => [name, ...name.split('/')]) : names)
    }),
  )
  router.get(
    '/v2/userdata',
    answering(async (request, response) => sendJson(response, await store.tree(queryText(request, 'path') ?? ''))),
  )
  router.get(
    '/userdata/:file',
    answering(async (request, response) => {
      const name = fileName(request.params['file'] as string)
      if (name === STYLES) return sendStyles(response, store)
      const bytes = await readOrEmpty(store, name)
      response.attachment(name.split('/').at(-1))
      response.type(name.endsWith('.json') ? 'application/json' : 'application/octet-stream').send(bytes)
    }),
  )
  // Older editors link the styles by this name.
  router.get(
    '/user.css',
    answering((_request, response) => sendStyles(response, store)),
  )
  router.post(
    '/userdata/:file',
    readBytes(maxUpload),
    answering(async (request, response) => {
      const name = fileName(request.params['file'] as string)
      const body: unknown = request.body
      await store.write(name, Buffer.isBuffer(body) ? body : Buffer.alloc(0), flag(request, 'overwrite', true))
      await sendStored(request, response, store, name)
    }),
  )
  router.delete(
    '/userdata/:file',
    answering(async (request, response) => {
      await store.remove(fileName(request.params['file'] as string))
      response.status(204).end()
    }),
  )
  router.post(
    '/userdata/:file/move/:dest',
    answering(async (request, response) => {
      const to = fileName(request.params['dest'] as string)
      await store.move(fileName(request.params['file'] as string), to, flag(request, 'overwrite', true))
      await sendStored(request, response, store, to)
    }),
  )
}

export function userdataRoutes(router: Router, context: Context): void {
  const { settings } = context
  fileRoutes(router, new UserData(context.folders.user), context.maxUpload)

  router.get('/users', (_request, response) => sendJson(response, { storage: 'server', migrated: true }))
  router.post('/users', () => {
    throw new HttpError(400, 'This server keeps the files of one user.')
  })
  router.get('/settings', (_request, response) => sendJson(response, settings.all()))
  router.get('/settings/:id', (request, response) => sendJson(response, settings.get(request.params.id)))
  router.post('/settings', readText(MAX_SETTINGS), (request, response) => {
    settings.merge(objectOf(request))
    sendNothing(response)
  })
  router.post('/settings/:id', readText(MAX_SETTINGS), (request, response) => {
    settings.merge({ [request.params['id'] as string]: jsonOf(request) })
    sendNothing(response)
  })
}
