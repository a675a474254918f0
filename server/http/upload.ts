/** POST /upload/image and /upload/mask: pictures into the input folder, looked at before they are kept. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, parse } from 'node:path'
import type { Request, Response, Router } from 'express'
import multer from 'multer'
import { existingFile, inside, makeFolder, NotFoundError, OutsideError } from '../store/confine.ts'
import { writeFirstFree, writeWhole } from '../store/write.ts'
import { isRecord, parseExact } from '../json.ts'
import { HttpError, sendJson } from './body.ts'
import type { Context, DataFolders } from './context.ts'
import { limitDeclared } from './read-body.ts'

const MAX_PIXELS = 64_000_000
/** Bytes that a form may have around its file. */
const FORM = 1 << 18
const FORMATS = new Set(['png', 'jpeg', 'webp', 'gif', 'heif', 'tiff', 'avif'])
const TYPES = ['input', 'temp', 'output'] as const

/** Throws HttpError 400 with the reason when the bytes are no raster picture that can be decoded. */
async function checkPicture(bytes: Buffer): Promise<void> {
  const { default: sharp } = await import('sharp')
  try {
    const picture = sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: 'error', pages: 1 })
    const { format } = await picture.metadata()
    if (!FORMATS.has(format)) throw new Error(`${format} pictures are not taken`)
    // Only decoding shows whether a file is cut short.
    await picture.stats()
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
    throw new HttpError(400, `The upload cannot be read as a picture: ${why}`)
  }
}

const field = (request: Request, name: string): string => {
  const body: unknown = request.body
  const value = isRecord(body) ? body[name] : undefined
  return typeof value === 'string' ? value : ''
}

/** Where the upload goes: folder on disk and the name as the client sees it. */
async function target(request: Request, folders: DataFolders, original: string) {
  const type = field(request, 'type') || 'input'
  const known = TYPES.find((one) => one === type)
  if (!known) throw new HttpError(400, `type must be one of ${TYPES.join(', ')}, received '${type.slice(0, 40)}'`)
  const subfolder = field(request, 'subfolder')
  const root = folders[known]
  const path = inside(root, subfolder === '' ? original : `${subfolder}/${original}`)
  if (basename(path).startsWith('.')) throw new OutsideError('file names must not begin with a dot')
  await makeFolder(root, dirname(path))
  return { path, subfolder, type: known }
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

async function sameBytes(path: string, bytes: Buffer): Promise<boolean> {
  return existsSync(path) && digest(await readFile(path)) === digest(bytes)
}

function* numbered(path: string): Generator<string> {
  const { dir, name, ext } = parse(path)
  yield path
  for (let number = 1; number < 10_000; number++) yield join(dir, `${name} (${number})${ext}`)
}

/** Stores the bytes; an equal file is taken as it is, another of the same name gets a number. Returns the name. */
async function store(path: string, bytes: Buffer, overwrite: boolean): Promise<string> {
  if (overwrite) await writeWhole(path, bytes)
  else if (!(await sameBytes(path, bytes))) return basename(await writeFirstFree(numbered(path), bytes))
  return basename(path)
}

async function uploadImage(request: Request, response: Response, context: Context, change = keep): Promise<void> {
  const { file } = request
  if (!file || file.originalname === '') throw new HttpError(400, 'The form has no file named "image".')
  await checkPicture(file.buffer)
  const bytes = await change(file.buffer, request, context)
  const { path, subfolder, type } = await target(request, context.folders, file.originalname)
  const overwrite = ['true', '1'].includes(field(request, 'overwrite'))
  sendJson(response, { name: await store(path, bytes, overwrite), subfolder, type })
}

type Change = (bytes: Buffer, request: Request, context: Context) => Promise<Buffer>
const keep: Change = (bytes) => Promise.resolve(bytes)

/** The original picture named by `original_ref`, with the alpha channel of the uploaded one. */
const withAlphaOf: Change = async (mask, request, { folders }) => {
  const { default: sharp } = await import('sharp')
  const ref = originalRef(field(request, 'original_ref'))
  const known = TYPES.find((one) => one === ref.type)
  if (!known) throw new HttpError(400, 'original_ref: unknown type')
  const name = ref.subfolder === '' ? ref.filename : `${ref.subfolder}/${ref.filename}`
  const original = await readFile(await existingFile(folders[known], name))
  const { data, info } = await sharp(original, { limitInputPixels: MAX_PIXELS })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  const { width, height } = info
  const alpha = await sharp(mask)
    .ensureAlpha()
    .resize(width, height, { fit: 'fill' })
    .extractChannel('alpha')
    .raw()
    .toBuffer()
  return sharp(data, { raw: { width, height, channels: info.channels } })
    .joinChannel(alpha, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer()
}

function originalRef(text: string): { filename: string; subfolder: string; type: string } {
  const part = (ref: Record<string, unknown>, key: string, fallback: string) =>
    typeof ref[key] === 'string' ? ref[key] : fallback
  try {
    const ref = parseExact(text)
    if (isRecord(ref) && typeof ref['filename'] === 'string')
      return { filename: ref['filename'], subfolder: part(ref, 'subfolder', ''), type: part(ref, 'type', 'output') }
  } catch {
    // Reported below, as for JSON of another shape.
  }
  throw new HttpError(400, 'original_ref must be JSON like {"filename": "a.png", "type": "input"}')
}

/** What is wrong with the upload, as an answer. */
function explain(error: unknown, response: Response): void {
  if (error instanceof multer.MulterError)
    throw new HttpError(error.code === 'LIMIT_FILE_SIZE' ? 413 : 400, `The upload is refused: ${error.message}`)
  if (error instanceof OutsideError) throw new HttpError(400, error.message)
  if (error instanceof NotFoundError) throw new HttpError(404, error.message)
  if (error instanceof Error && /multipart|boundary|unexpected end of form|malformed/i.test(error.message))
    throw new HttpError(400, `The upload is refused: ${error.message}`)
  if (response.headersSent) return
  throw error
}

export function uploadRoutes(router: Router, context: Context): void {
  const form = multer({
    storage: multer.memoryStorage(),
    limits: { fileSize: context.maxUpload, files: 1, fields: 10, fieldSize: 10_000, parts: 12, headerPairs: 50 },
  }).single('image')
  const receive = (request: Request, response: Response) =>
    new Promise<void>((resolve, reject) =>
      form(request, response, (error?: unknown) =>
        error === undefined || error === null
          ? resolve()
          : reject(error instanceof Error ? error : new Error('refused')),
      ),
    )
  const handler = (change: Change) => async (request: Request, response: Response) => {
    try {
      await receive(request, response)
      await uploadImage(request, response, context, change)
    } catch (error) {
      explain(error, response)
    }
  }
  const limit = limitDeclared(context.maxUpload + FORM)
  router.post('/upload/image', limit, handler(keep))
  router.post('/upload/mask', limit, handler(withAlphaOf))
}
