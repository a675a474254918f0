/** Writes every picture of a batch with its workflow inside; what SaveImage and PreviewImage share. */
import type { Tensor } from '../../../diffusion/tensor.ts'
import type { FileReference, RunContext } from '../../define.ts'
import { asciiJson, encodePng } from './png.ts'

/** JSON of a prompt or workflow; 64-bit seeds stay exact as plain digits. */
function exactJson(value: unknown): string {
  const marked = JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `\u0001${one}\u0001` : one))
  return asciiJson(marked.replace(/"\\u0001(\d+)\\u0001"/g, '$1'))
}

function metadata(prompt: unknown, extra: Readonly<Record<string, unknown>> | undefined): Record<string, string> {
  const entries = Object.entries({ ...(prompt === undefined ? {} : { prompt }), ...extra })
  return Object.fromEntries(entries.map(([key, value]) => [key, exactJson(value)]))
}

/** Saves [B, H, W, 3] as one PNG each, in order, and returns what clients are shown. */
export async function saveImages(
  images: Tensor,
  place: { readonly folder: 'output' | 'temp'; readonly prefix: string },
  origin: { readonly prompt: unknown; readonly extra: Readonly<Record<string, unknown>> | undefined },
  context: RunContext,
): Promise<{ readonly images: readonly FileReference[] }> {
  const text = context.metadata ? metadata(origin.prompt, origin.extra) : {}
  const [batch = 0, height = 0, width = 0] = images.shape
  const saved: FileReference[] = []
  for (let index = 0; index < batch; index++) {
    const bytes = await encodePng(images, index, text)
    saved.push(
      await context.files.save(place.folder, place.prefix, 'png', bytes, { width, height, batchNumber: index }),
    )
  }
  return { images: saved }
}
