/** Video files by way of the ffmpeg program, with the workflow in the container's metadata. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Tensor } from '../../../diffusion/tensor.ts'
import { frameBytes } from './frames.ts'

/** ffmpeg is not there. */
const MISSING =
  'ffmpeg is not installed, or not on the PATH: install it (Debian and Ubuntu: apt install ffmpeg; macOS: brew install ffmpeg; ' +
  'Windows: winget install ffmpeg), or save with SaveAnimatedWEBP, which needs nothing'
/** Of what ffmpeg says when it fails, the end. */
const SHOWN = 600

export interface VideoFormat {
  /** File name extension, which names the container. */
  readonly extension: 'mp4' | 'webm'
  /** The encoder and its settings, as ffmpeg's arguments. */
  readonly encoder: readonly string[]
}

/** A text in ffmpeg's own metadata format, where these characters mean something. */
const escaped = (value: string): string => value.replace(/[=;#\\\n]/g, (c) => `\\${c}`)

const metadataFile = (texts: Readonly<Record<string, string>>): string =>
  [';FFMETADATA1', ...Object.entries(texts).map(([key, value]) => `${escaped(key)}=${escaped(value)}`), ''].join('\n')

/** Runs ffmpeg on bytes; throws with the end of what it says when it fails, or when `signal` is aborted. */
async function run(args: readonly string[], input: Uint8Array, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn('ffmpeg', args, { stdio: ['pipe', 'ignore', 'pipe'], signal })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-SHOWN)))
    // What it does not want to read any more it has said why.
    child.stdin.on('error', () => undefined)
    child.on('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'ENOENT' ? new Error(MISSING) : error)
    })
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`ffmpeg ended with ${code}: ${said.trim()}`))
    })
    child.stdin.end(input)
  })
}

/** Frames [F, H, W, 3] in 0..1 as a video file. Throws, saying what to install, where ffmpeg is missing. */
export async function encodeVideo(
  frames: Tensor,
  rate: number,
  texts: Readonly<Record<string, string>>,
  { extension, encoder }: VideoFormat,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const [, height = 0, width = 0] = frames.shape
  const bytes = frameBytes(frames)
  const folder = await mkdtemp(join(tmpdir(), 'heddle-video-'))
  try {
    const [about, out] = [join(folder, 'metadata.txt'), join(folder, `video.${extension}`)]
    await writeFile(about, metadataFile(texts))
    const source = [
      '-f',
      'rawvideo',
      '-pixel_format',
      'rgb24',
      '-video_size',
      `${width}x${height}`,
      '-framerate',
      String(rate),
    ]
    const flags = extension === 'mp4' ? ['-movflags', '+faststart+use_metadata_tags'] : []
    const inputs = [...source, '-i', 'pipe:0', '-f', 'ffmetadata', '-i', about, '-map', '0:v', '-map_metadata', '1']
    await run(['-hide_banner', '-loglevel', 'error', '-y', ...inputs, ...encoder, ...flags, out], bytes, signal)
    return await readFile(out)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
