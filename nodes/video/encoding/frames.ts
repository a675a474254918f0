/** Frames of a video as bytes. */
import type { Tensor } from '../../../diffusion/tensor.ts'

/** Frames [F, H, W, 3] in 0..1 as bytes, cut off and not rounded, as ComfyUI has it. Throws for anything else. */
export function frameBytes({ data, shape }: Tensor): Uint8Array {
  const [count = 0, height = 0, width = 0, channels] = shape
  if (shape.length !== 4 || channels !== 3 || count * height * width === 0)
    throw new Error(`images: expected frames [F, H, W, 3], received [${shape.join(', ')}]`)
  const bytes = new Uint8Array(data.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Math.trunc(Math.fround(255 * Math.min(1, Math.max(0, data[i]!))))
  return bytes
}
