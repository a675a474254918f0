/** VAEEncode: pictures to latents, for image-to-image. */
import { tensor, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

/** Cuts [B, H, W, 3] from its centre to multiples of `unit` pixels, as ComfyUI does. Returns the same tensor if it fits. */
function cropToMultiple(pixels: Tensor, unit: number): Tensor {
  const [batch = 0, height = 0, width = 0, channels = 0] = pixels.shape
  const [rows, columns] = [Math.floor(height / unit) * unit, Math.floor(width / unit) * unit]
  if (rows === 0 || columns === 0)
    throw new Error(`VAEEncode: the picture is ${width}x${height}; at least ${unit}x${unit} pixels are needed`)
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

export default defineNode({
  type: 'VAEEncode',
  category: 'latent',
  title: 'VAE Encode',
  help: 'Encodes pictures to latents (the mean of the posterior). Sides that are no multiple of 16 are cropped from the centre.',
  inputs: { pixels: port('IMAGE'), vae: port('VAE') },
  outputs: { LATENT: 'LATENT' },
  // Twice the factor: transformers take latents in 2x2 patches.
  run: async ({ pixels, vae }) => ({ LATENT: { samples: await vae.encode(cropToMultiple(pixels, 2 * vae.factor)) } }),
})
