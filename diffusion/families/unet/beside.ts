/** What models for inpainting take beside the noisy latent: which cells are to be painted, and the latent of the rest of the picture. */
import { sizeOf, tensor, type Tensor } from '../../tensor.ts'
import type { Conditioning } from '../contract.ts'
import type { UnetConfig } from './config.ts'

/** Latent of a black picture in Stable Diffusion's autoencoder, where nothing is given: what is left of a picture that is all to be painted. */
const BLANK = [0.8223, -0.6876, 0.6364, 0.138]

/** Channels beside those of the latent: 4 of another latent, with 1 of a mask before it or without. */
const extraOf = ({ channels, outChannels }: UnetConfig): number => channels - outChannels

/** Whether such a latent [C, H, W] has to be joined by other inputs. */
export const isJoined = (config: UnetConfig, [channels]: readonly number[]): boolean =>
  extraOf(config) > 0 && channels === config.outChannels

/** What is wrong with the inputs beside a latent [C, H, W]. */
export function besideFaults(config: UnetConfig, { tensors = {} }: Conditioning, shape: readonly number[]): string[] {
  const [, height, width] = shape
  const extra = extraOf(config)
  if (extra !== BLANK.length && extra !== BLANK.length + 1)
    return [`${extra} channels beside the latent: only those of a latent and a mask are known`]
  return (['concat_latent_image', 'concat_mask'] as const).flatMap((name, i) => {
    const given = tensors[name]
    const expected = [1, i === 0 ? BLANK.length : 1, height, width]
    return !given || String(given.shape) === String(expected)
      ? []
      : [`${name} is [${given.shape.join(', ')}], expected [${expected.join(', ')}]`]
  })
}

/** The inputs beside a latent [C, H, W] in the order in which models take them: mask, then latent; [1, channels, H, W]. */
export function besideRow(config: UnetConfig, { tensors = {} }: Conditioning, shape: readonly number[]): Tensor {
  const [, height = 0, width = 0] = shape
  const area = height * width
  const out = new Float32Array(extraOf(config) * area).fill(1)
  const masked = out.length - BLANK.length * area
  if (masked > 0 && tensors['concat_mask']) out.set(tensors['concat_mask'].data)
  BLANK.forEach((value, i) => out.fill(value, masked + i * area, masked + (i + 1) * area))
  if (tensors['concat_latent_image']) out.set(tensors['concat_latent_image'].data, masked)
  return tensor(out, [1, extraOf(config), height, width])
}

/** [B, a, H, W] and [B, b, H, W] -> [B, a + b, H, W]. */
export function joinChannels(left: Tensor, right: Tensor): Tensor {
  const [batch = 0, a = 0, ...sides] = left.shape
  const [, b = 0] = right.shape
  const area = sizeOf(sides)
  const out = new Float32Array(left.data.length + right.data.length)
  for (let i = 0; i < batch; i++) {
    out.set(left.data.subarray(i * a * area, (i + 1) * a * area), i * (a + b) * area)
    out.set(right.data.subarray(i * b * area, (i + 1) * b * area), (i * (a + b) + a) * area)
  }
  return tensor(out, [batch, a + b, ...sides])
}
