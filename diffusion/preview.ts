/** Live previews: a latent to a small RGB picture, by the linear map of its latent format or a small autoencoder. */
import type { LatentFormat } from './families/contract.ts'
import { row, type Tensor } from './tensor.ts'

/** Longest side of a preview in pixels. */
const LIMIT = 256

export interface Picture {
  /** RGB bytes [height, width, 3]. */
  readonly rgb: Uint8Array
  readonly width: number
  readonly height: number
}

/** The first sample as the small autoencoder of its latent format sees it; null without one or for video. */
export async function latentSketch(latent: Tensor, format: LatentFormat): Promise<Picture | null> {
  if (!format.sketch || latent.shape.length !== 4) return null
  const { data, shape } = await format.sketch(row(latent, 0))
  const [, height = 0, width = 0] = shape
  return { rgb: Uint8Array.from(data, (value) => Math.trunc(255 * Math.min(1, Math.max(0, value)))), width, height }
}

/** Linear map of the first sample of [B, C, h, w] to colours [h, w, 3] in 0..1 (not clamped). */
function colours(latent: Tensor, map: NonNullable<LatentFormat['rgb']>, height: number, width: number): Float32Array {
  const plane = height * width
  const out = new Float32Array(plane * 3)
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < 3; c++) {
      let sum = map.bias[c] ?? 0
      for (let k = 0; k < map.weights.length; k++) sum += (map.weights[k]?.[c] ?? 0) * latent.data[k * plane + i]!
      out[3 * i + c] = sum
    }
  return out
}

/** Preview of the first sample, enlarged bilinearly towards the size of the final picture; null without a map or for video. */
export function latentPreview(latent: Tensor, format: LatentFormat): Picture | null {
  if (!format.rgb || latent.shape.length !== 4) return null
  const [h, w] = [latent.shape[2]!, latent.shape[3]!]
  const small = colours(latent, format.rgb, h, w)
  const zoom = Math.max(1, Math.min(format.factor, Math.floor(LIMIT / Math.max(h, w))))
  const [height, width] = [h * zoom, w * zoom]
  const rgb = new Uint8Array(height * width * 3)
  for (let y = 0; y < height; y++) {
    const v = Math.min(Math.max((y + 0.5) / zoom - 0.5, 0), h - 1)
    const top = Math.floor(v)
    const bottom = Math.min(top + 1, h - 1)
    for (let x = 0; x < width; x++) {
      const u = Math.min(Math.max((x + 0.5) / zoom - 0.5, 0), w - 1)
      const left = Math.floor(u)
      const right = Math.min(left + 1, w - 1)
      for (let c = 0; c < 3; c++) {
        const at = (row: number, column: number) => small[3 * (row * w + column) + c]!
        const above = at(top, left) + (u - left) * (at(top, right) - at(top, left))
        const below = at(bottom, left) + (u - left) * (at(bottom, right) - at(bottom, left))
        rgb[3 * (y * width + x) + c] = Math.round(255 * Math.min(1, Math.max(0, above + (v - top) * (below - above))))
      }
    }
  }
  return { rgb, width, height }
}
