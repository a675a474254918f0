/** /models, /embeddings, /experiment/models and /view_metadata: the model files that are found, and what their headers say. */
import { open, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Router } from 'express'
import { isRecord, parseExact } from '../json.ts'
import { existingFile } from '../store/confine.ts'
import { MODEL_FOLDERS, modelFolderDirs, modelsIn, type ModelDir } from '../store/model-folders.ts'
import { HttpError, queryText, sendJson } from './body.ts'
import type { Context } from './context.ts'

/** Bytes of a header beyond which it is not read. */
const MAX_HEADER = 1 << 20
const EXTENSIONS = ['.safetensors', '.sft']
const PICTURES = ['.preview.png', '.preview.webp', '.preview.jpg', '.png', '.webp', '.jpg', '.jpeg']

function known(folder: string): string {
  if (!Object.hasOwn(MODEL_FOLDERS, folder))
    throw new HttpError(404, `There is no folder of models '${folder.slice(0, 80)}'.`)
  return folder
}

/** The `__metadata__` of a safetensors header; null when it has none. Throws HttpError 404 when the file is no such file. */
async function metadataOf(path: string): Promise<unknown> {
  const file = await open(path)
  try {
    const length = Buffer.alloc(8)
    await file.read(length, 0, 8, 0)
    const size = length.readBigUInt64LE()
    if (size < 2n || size > BigInt(MAX_HEADER)) throw new Error('its header is empty or larger than 1 MiB')
    const text = Buffer.alloc(Number(size))
    const { bytesRead } = await file.read(text, 0, text.length, 8)
    const header = parseExact(text.subarray(0, bytesRead).toString())
    return isRecord(header) ? (header['__metadata__'] ?? null) : null
  } catch (error) {
    throw new HttpError(404, `No metadata: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    await file.close()
  }
}

interface Listed {
  readonly name: string
  readonly pathIndex: number
  readonly modified: number
  readonly created: number
  readonly size: number
}

/** Names, sizes in bytes and times in seconds of the files of one folder. */
async function listed(modelDirs: readonly ModelDir[], folder: string): Promise<Listed[]> {
  const dirs = modelFolderDirs(modelDirs, folder)
  const files = modelsIn(modelDirs, folder).map(async ({ name, path }) => {
    const found = await stat(path).catch(() => null)
    const pathIndex = Math.max(
      0,
      dirs.findIndex((dir) => path.startsWith(`${dir}/`)),
    )
    const { mtimeMs = 0, birthtimeMs = 0, size = 0 } = found ?? {}
    return { name, pathIndex, modified: mtimeMs / 1000, created: birthtimeMs / 1000, size }
  })
  return Promise.all(files)
}

/** A picture that lies beside a model under its name, as WebP. */
async function previewOf(dir: string, name: string): Promise<Buffer> {
  const stem = name.replace(/\.[a-z]+$/i, '')
  for (const ending of PICTURES) {
    const path = await existingFile(dir, join(dirname(stem), basename(stem) + ending)).catch(() => null)
    if (path === null) continue
    const { default: sharp } = await import('sharp')
    return sharp(path, { limitInputPixels: 64_000_000 }).webp().toBuffer()
  }
  throw new HttpError(404, `There is no picture of '${name.slice(0, 80)}'.`)
}

export function modelRoutes(router: Router, { modelDirs }: Context): void {
  router.get('/embeddings', (_request, response) => {
    const names = modelsIn(modelDirs, 'embeddings').map(({ name }) => name.replace(/\.[a-z]+$/i, ''))
    sendJson(response, names)
  })
  router.get('/models', (_request, response) => sendJson(response, Object.keys(MODEL_FOLDERS)))
  router.get('/models/:folder', (request, response) => {
    const names = modelsIn(modelDirs, known(request.params.folder)).map(({ name }) => name)
    sendJson(response, names)
  })
  router.get('/experiment/models', (_request, response) => {
    const folders = Object.keys(MODEL_FOLDERS)
    sendJson(
      response,
      folders.map((name) => ({ name, folders: modelFolderDirs(modelDirs, name), extensions: EXTENSIONS })),
    )
  })
  router.get('/experiment/models/:folder', async (request, response) =>
    sendJson(response, await listed(modelDirs, known(request.params.folder))),
  )
  router.get('/experiment/models/preview/:folder/:index/:file', async (request, response) => {
    const { folder, index, file } = request.params
    const dir = modelFolderDirs(modelDirs, known(folder))[Number(index)]
    if (dir === undefined) throw new HttpError(404, `There is no directory ${index.slice(0, 10)} of '${folder}'.`)
    response.type('image/webp').send(await previewOf(dir, file))
  })
  router.get('/view_metadata/:folder', async (request, response) => {
    const name = queryText(request, 'filename') ?? ''
    if (!/\.(safetensors|sft)$/i.test(name)) throw new HttpError(404, 'filename must end in .safetensors')
    const file = modelsIn(modelDirs, known(request.params.folder)).find((one) => one.name === name)
    const metadata = file ? await metadataOf(file.path) : null
    if (metadata === null) throw new HttpError(404, `'${name.slice(0, 80)}' does not exist or has no metadata.`)
    sendJson(response, metadata)
  })
}
