/** Refuses what cannot fit into memory before it begins: an engine that runs out of it is killed, and the machine suffers first. */
import { availableMemory } from './available-memory.ts'
import { currentDevice } from './onnx/providers.ts'

/** The machine does not have the memory that this would need at least. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError'
}

/** What is to be done, and what it holds at least. */
export interface Need {
  /** Stands in front of the message: 'sampling with heddle-flux-mini'. */
  readonly what: string
  /** Least bytes at one moment, weights aside. */
  readonly bytes: number
  /** Pixels along height and width; the bytes are in proportion to their product. */
  readonly height: number
  readonly width: number
  /** What else would help beside a smaller size, as a sentence. */
  readonly instead: string
}

/** Sizes that are proposed are multiples of this many pixels. */
const STEP = 64
const GIB = 1024 ** 3
const gibibytes = (bytes: number): string => `${(bytes / GIB).toFixed(bytes < 10 * GIB ? 1 : 0)} GiB`
const stepped = (pixels: number): number => Math.max(STEP, Math.floor(pixels / STEP) * STEP)

/**
 * Throws NoRoomError when the memory that this process could have is less than the need. On a device with memory of its own nothing is
 * refused: how much of that is free is not known here, and running out of it ends in an error and not in a killed process.
 */
export function assertRoom({ what, bytes, height, width, instead }: Need): void {
  if (currentDevice().provider !== 'cpu') return
  const available = availableMemory()
  if (bytes <= available) return
  const scale = Math.sqrt(available / bytes)
  throw new NoRoomError(
    `${what} at ${width}x${height} needs at least ${gibibytes(bytes)} of memory beside the weights, and ${gibibytes(available)} can be had. ` +
      `At most about ${stepped(width * scale)}x${stepped(height * scale)} fits. ${instead}`,
  )
}
