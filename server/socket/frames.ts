/** Binary websocket frames: a preview picture alone (1), or with what it belongs to (4). Big-endian. */
import type { PreviewEvent } from '../engine/protocol.ts'

const PREVIEW = 1
const PREVIEW_WITH_METADATA = 4
const KINDS = { 'image/jpeg': 1, 'image/png': 2 } as const

/** u32 1, u32 kind of picture, its bytes. */
export function previewFrame(event: PreviewEvent): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(PREVIEW, 0)
  head.writeUInt32BE(KINDS[event.mime], 4)
  return Buffer.concat([head, event.bytes])
}

/** u32 4, u32 length of the metadata, metadata as JSON, the picture's bytes. */
export function previewFrameWithMetadata(event: PreviewEvent, promptId: string): Buffer {
  const metadata = Buffer.from(JSON.stringify({ prompt_id: promptId, ...event.names, image_type: event.mime }))
  const head = Buffer.alloc(8)
  head.writeUInt32BE(PREVIEW_WITH_METADATA, 0)
  head.writeUInt32BE(metadata.length, 4)
  return Buffer.concat([head, metadata, event.bytes])
}
