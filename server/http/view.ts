/** GET /view: the bytes of a picture or other file of the input, output and temp folders, as they are or re-encoded. */
import { basename, extname } from 'node:path'
import type { Request, Response, Router } from 'express'
import { annotated, FILE_FOLDERS } from '../../nodes/spec.ts'
import { existingFile, NotFoundError, OutsideError } from '../store/confine.ts'
import { queryText } from './body.ts'
import type { Context, DataFolders } from './context.ts'

/** Shown in place; everything else is offered as a download, since a browser might run it. */
const SAFE = new Set([
  '.png', '.jpg', '.jpeg', '.webp', '.gif', '.avif', '.bmp', '.tif', '.tiff',
  '.mp4', '.webm', '.mov', '.mp3', '.flac', '.ogg', '.opus', '.wav', '.json', '.txt',
]) // prettier-ignore
/** 64 megapixels. */
const MAX_PIXELS = 64_000_000

/** The folder and the name asked for; a name may end in ' [output]', which goes before `type`. */
function place(request: Request, folders: DataFolders): { root: string; name: string; folder: string } | null {
  const asked = queryText(request, 'filename') ?? ''
  const { folder, name } = annotated(asked)
  const type = folder ?? queryText(request, 'type') ?? 'output'
  const known = FILE_FOLDERS.find((one) => one === type)
  if (!known) return null
  return { root: folders[known], name, folder: queryText(request, 'subfolder') ?? '' }
}

interface Encoding {
  readonly format: 'webp' | 'jpeg' | 'png'
  readonly quality: number
  readonly channels: 'rgb' | 'a' | 'all'
}

/** How to re-encode, or null for the file as it is. */
function encodingOf(request: Request): Encoding | null {
  const channel = queryText(request, 'channel')
  const preview = queryText(request, 'preview')
  const channels = channel === 'rgb' || channel === 'a' ? channel : 'all'
  if (preview === null) return channels === 'all' ? null : { format: 'png', quality: 90, channels }
  const [format, quality] = preview.split(';')
  const number = Number(quality)
  return {
    format: format === 'jpeg' && channels !== 'a' ? 'jpeg' : 'webp',
    quality: Number.isInteger(number) && number >= 1 && number <= 100 ? number : 90,
    channels,
  }
}

async function encode(path: string, encoding: Encoding): Promise<Buffer> {
  const { default: sharp } = await import('sharp')
  const source = sharp(path, { limitInputPixels: MAX_PIXELS }).rotate()
  const { format, quality, channels } = encoding
  if (channels === 'a') {
    // Black, with the source's transparency.
    const alpha = await source.ensureAlpha().extractChannel('alpha').raw().toBuffer({ resolveWithObject: true })
    const { width, height } = alpha.info
    const black = sharp({ create: { width, height, channels: 3, background: 'black' } })
    const joined = black.joinChannel(alpha.data, { raw: { width, height, channels: 1 } })
    return (format === 'png' ? joined.png() : joined.webp({ quality })).toBuffer()
  }
  const picture = channels === 'rgb' || format === 'jpeg' ? source.removeAlpha() : source
  if (format === 'jpeg') return picture.jpeg({ quality }).toBuffer()
  return (format === 'png' ? picture.png() : picture.webp({ quality })).toBuffer()
}

function sendFile(response: Response, path: string): void {
  const safe = SAFE.has(extname(path).toLowerCase())
  response.attachment(basename(path))
  if (safe) {
    const disposition = String(response.getHeader('Content-Disposition')).replace(/^attachment/, 'inline')
    response.set('Content-Disposition', disposition)
  } else response.type('application/octet-stream')
  response.sendFile(path, { dotfiles: 'allow', cacheControl: false, headers: { 'Cache-Control': 'no-cache' } })
}

async function view(request: Request, response: Response, folders: DataFolders): Promise<void> {
  const asked = queryText(request, 'filename')
  if (asked === null) return void response.status(404).end()
  const found = place(request, folders)
  if (!found) return void response.status(400).end()
  try {
    const name = found.folder === '' ? found.name : `${found.folder}/${found.name}`
    const path = await existingFile(found.root, name)
    const encoding = encodingOf(request)
    if (!encoding) {
      sendFile(response, path)
      return
    }
    const bytes = await encode(path, encoding)
    response.type(encoding.format).set('Cache-Control', 'no-cache').send(bytes)
  } catch (error) {
    if (error instanceof OutsideError) response.status(400).end()
    else if (error instanceof NotFoundError) response.status(404).end()
    else response.status(415).type('text/plain').send('This file cannot be shown as a picture.')
  }
}

export function viewRoutes(router: Router, context: Context): void {
  // express answers HEAD with the same handler.
  router.get('/view', (request, response) => view(request, response, context.folders))
}
