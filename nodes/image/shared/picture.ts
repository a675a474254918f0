/** Opening a picture of the input folder, or of the one that its name says. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import sharp from 'sharp'
import type { Files } from '../../define.ts'
import { annotated } from '../../spec.ts'

/** 64 megapixels: beyond it a picture is refused before it is decoded. */
const MAX_PIXELS = 64_000_000

/** RGBA bytes, upright. */
export interface Picture {
  readonly rgba: Uint8Array
  readonly width: number
  readonly height: number
}

/** Where a picture lies; a name without a folder is of the input folder. */
function pathOf(text: string, files: Files): Promise<string> {
  const { folder, name } = annotated(text)
  return files.resolve(folder ?? 'input', name)
}

/** What decides whether a picture is still the same; NaN without a name. */
export async function pictureFingerprint(name: string | undefined, files: Files): Promise<string | number> {
  if (name === undefined) return NaN
  return createHash('sha256')
    .update(await readFile(await pathOf(name, files)))
    .digest('hex')
}

/** Opens a picture; throws, naming the node and the picture, when it cannot be read. */
export async function readPicture(node: string, name: string, files: Files): Promise<Picture> {
  const path = await pathOf(name, files)
  try {
    const decoded = sharp(path, { limitInputPixels: MAX_PIXELS, failOn: 'error' })
      .rotate()
      .toColourspace('srgb')
      .ensureAlpha()
    const { data, info } = await decoded.raw().toBuffer({ resolveWithObject: true })
    return { rgba: data, width: info.width, height: info.height }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`${node}: '${name}' cannot be read as a picture: ${why}`, { cause: error })
  }
}
