/** Pictures cut to sides that an autoencoder takes. */
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'

/** Cuts [B, H, W, C] from its centre to multiples of `unit` pixels, as ComfyUI does. Returns the same tensor if it fits; throws, naming the node, when nothing is left. */
export function cropToMultiple(node: string, pixels: Tensor, unit: number): Tensor {
  const [batch = 0, height = 0, width = 0, channels = 0] = pixels.shape
  const [rows, columns] = [Math.floor(height / unit) * unit, Math.floor(width / unit) * unit]
  if (rows === 0 || columns === 0)
    throw new Error(`${node}: the picture is ${width}x${height}; at least ${unit}x${unit} pixels are needed`)
  if (rows === height && columns === width) return pixels
  const [top, left] = [(height - rows) >> 1, (width - columns) >> 1]
  const out = new Float32Array(batch * rows * columns * channels)
  for (let b = 0; b < batch; b++)
    for (let y = 0; y < rows; y++) {
      const from = ((b * height + top + y) * width + left) * channels
      out.set(pixels.data.subarray(from, from + columns * channels), (b * rows + y) * columns * channels)
    }
  return tensor(out, [batch, rows, columns, channels])
}

/** Pixels per side that pictures are cut to: twice the factor, for transformers take latents in 2x2 patches. */
export const unitOf = ({ factor }: { readonly factor: number }): number => 2 * factor
