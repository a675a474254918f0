/** Pictures of another size, by ComfyUI's methods. */
import { fill, resize } from '../../../diffusion/resize.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import { choice } from '../../spec.ts'

const METHODS = ['nearest-exact', 'bilinear', 'area', 'bicubic', 'lanczos'] as const

export const scaleMethod = choice(METHODS, {
  default: 'nearest-exact',
  help: 'How pixels between pixels are made; area for smaller pictures, lanczos for the sharpest.',
})

/** [B, H, W, C] -> [B, height, width, C], after a crop to that shape where `crop` is 'center'. */
export function scaled(
  image: Tensor,
  height: number,
  width: number,
  method: (typeof METHODS)[number],
  crop: 'disabled' | 'center',
): Tensor {
  const to = crop === 'center' ? fill : resize
  if (method === 'nearest-exact' || method === 'area') return to(image, height, width, method)
  // Lanczos is PIL's, which averages over what it leaves out and keeps to 0..1.
  const made = to(image, height, width, { kernel: method, antialias: method === 'lanczos' })
  if (method !== 'lanczos') return made
  return { data: made.data.map((value) => Math.min(1, Math.max(0, value))), shape: made.shape }
}
