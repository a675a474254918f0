/** What image-to-video lays beside the latent: a mask of the frames that are given, and the encoded frames. */
import { zeros, type Tensor } from '../../tensor.ts'
import type { Conditioning } from '../contract.ts'
import type { WanConfig } from './config.ts'

/** What does not suit: `cells` are frames, rows and columns of the latent, `channels` those that the tensor may have. */
function fault(
  what: string,
  found: Tensor,
  channels: readonly number[],
  cells: readonly number[],
  fewer: boolean,
): string[] {
  const [batch, wide = 0, frames = 0, ...sides] = found.shape
  const fits = batch === 1 && channels.includes(wide) && String(sides) === String(cells.slice(1))
  const inTime = frames === cells[0] || (fewer && frames < (cells[0] ?? 0))
  return fits && inTime && found.shape.length === 5
    ? []
    : [`${what} is [${found.shape.join(', ')}], expected [1, ${channels.join(' or ')}, ${cells.join(', ')}]`]
}

/** Writes `mask` (1 where frames are to be made) as 1 where they are given; one channel serves for all, missing frames are to be made. */
function writeMask(out: Tensor, mask: Tensor, channels: number): void {
  const [, , frames = 0, height = 0, width = 0] = out.shape
  const [, wide = 0, given = 0] = mask.shape
  const [plane, from] = [frames * height * width, given * height * width]
  for (let c = 0; c < channels; c++) {
    const source = mask.data.subarray((wide === 1 ? 0 : c) * from)
    for (let i = 0; i < from; i++) out.data[c * plane + i] = 1 - source[i]!
  }
}

/**
 * The channels [1, inChannels - channels, F, H, W] beside a latent [channels, F, H, W], from `concat_latent_image` [1, channels, F, H, W] in the
 * sampler's scale and `concat_mask` [1, 1 or all of the mask's channels, up to F, H, W]: mask first, as the models were trained. Zeros where
 * nodes gave neither. Throws one error with all that does not suit; `name` stands in front.
 */
export function besideLatent(
  name: string,
  c: WanConfig,
  { tensors }: Conditioning,
  latentShape: readonly number[],
): Tensor {
  const cells = latentShape.slice(1)
  const out = zeros([1, c.inChannels - c.channels, ...cells])
  const maskChannels = Math.max(0, c.inChannels - 2 * c.channels)
  const [image, mask] = [tensors?.['concat_latent_image'], tensors?.['concat_mask']]
  if (!image) return out
  const faults = [
    ...fault('the picture beside the latent', image, [c.inChannels - c.channels - maskChannels], cells, false),
    ...(mask && maskChannels > 0 ? fault('its mask', mask, [1, maskChannels], cells, true) : []),
  ]
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
  if (mask) writeMask(out, mask, maskChannels)
  out.data.set(image.data, out.data.length - image.data.length)
  return out
}
