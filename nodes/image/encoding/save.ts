/** Writes every picture of a batch with its workflow inside; what SaveImage and PreviewImage share. */
import type { Tensor } from '../../../diffusion/tensor.ts'
import type { FileReference, RunContext } from '../../define.ts'
import { originText, type Origin } from '../../origin.ts'
import { encodePng } from './png.ts'

/** Saves [B, H, W, 3] as one PNG each, in order, and returns what clients are shown. */
export async function saveImages(
  images: Tensor,
  place: { readonly folder: 'output' | 'temp'; readonly prefix: string },
  origin: Origin,
  context: RunContext,
): Promise<{ readonly images: readonly FileReference[] }> {
  const text = originText(origin, context)
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
