/** Prompts that the tests of published clients send, in nodes that need no model. */
import sharp from 'sharp'
import { node } from '../server/harness.ts'

/** 0xa04020 as the nodes below paint it. */
export const COLOUR = [0xa0, 0x40, 0x20]

/**
 * A picture as wide as the seed says, saved after a wait that reports progress. Clients that look for their prompt in the
 * queue when its `status` comes, or that listen for results only after another request, need a run that is not over at once.
 */
export const picture = (prefix: string, seed = 20) => ({
  1: node('EmptyImage', { width: ['5', 0], height: 16, batch_size: 1, color: 0xa04020 }),
  3: node('SaveImage', { images: ['1', 0], filename_prefix: prefix }),
  4: node('TestConst', { value: seed }),
  5: node('TestSleep', { value: ['4', 0], seconds: 0.5 }),
})

/** Runs until it is cancelled. */
export const endless = (seed = 1) => ({
  4: node('TestConst', { value: seed }),
  5: node('TestSleep', { value: ['4', 0], seconds: 60 }),
  6: node('TestShow', { value: ['5', 0] }),
})

/** The colour of a picture's first pixel. */
export async function colourOf(bytes: ArrayBuffer): Promise<number[]> {
  return [...(await sharp(Buffer.from(bytes)).raw().toBuffer()).subarray(0, 3)]
}
