/** Autoencoders tile by tile, for pictures and videos too large for them at once: what is held beside the result is one tile. */
import type { Autoencoder, LatentScaling } from './families/contract.ts'
import { tensor, zeros, type Tensor } from './tensor.ts'

/** Extents of tiles and of their overlaps, in latent cells along height and width, and in latent frames. */
export interface Tiling {
  readonly tile: number
  readonly overlap: number
  /** All frames at once where absent. */
  readonly frames?: { readonly tile: number; readonly overlap: number }
}

/** A stretch of one axis: from `start` on, `size` long. */
interface Span {
  readonly start: number
  readonly size: number
}

/** Stretches of at most `tile` that cover `length`, neighbours sharing at least `overlap`; the last one is moved back to end with it. */
export function spans(length: number, tile: number, overlap: number): readonly Span[] {
  if (length <= tile) return [{ start: 0, size: length }]
  const stride = Math.max(1, tile - overlap)
  const count = Math.ceil((length - tile) / stride) + 1
  return Array.from({ length: count }, (_, i) => ({ start: Math.min(i * stride, length - tile), size: tile }))
}

/** How much each place of a stretch counts: rising from its edges over `feather`, but not towards an edge of the whole. */
function ramp({ start, size }: Span, length: number, feather: number): readonly number[] {
  const rise = (distance: number): number => Math.min(1, (distance + 1) / (feather + 1))
  return Array.from({ length: size }, (_, i) => {
    const fromStart = start === 0 ? 1 : rise(i)
    const fromEnd = start + size === length ? 1 : rise(size - 1 - i)
    return fromStart * fromEnd
  })
}

/** A box of three axes: frames (one of a picture), height and width. */
type Box = readonly [Span, Span, Span]

/** Copies a box out of planes [planes, F, H, W]. */
function cut(source: Tensor, planes: number, [, F, H, W]: readonly number[], [f, y, x]: Box): Float32Array {
  const out = new Float32Array(planes * f.size * y.size * x.size)
  let at = 0
  for (let p = 0; p < planes; p++)
    for (let frame = f.start; frame < f.start + f.size; frame++)
      for (let line = y.start; line < y.start + y.size; line++) {
        const from = ((p * F! + frame) * H! + line) * W! + x.start
        out.set(source.data.subarray(from, from + x.size), at)
        at += x.size
      }
  return out
}

/** Weighted sums of overlapping boxes [F, H, W] of `channels` values each, and the weights. */
class Blend {
  readonly #sum: Float32Array
  readonly #weight: Float32Array
  readonly #extents: readonly [number, number, number]
  readonly #channels: number

  constructor(extents: readonly [number, number, number], channels: number) {
    this.#extents = extents
    this.#channels = channels
    const places = extents[0] * extents[1] * extents[2]
    this.#sum = new Float32Array(places * channels)
    this.#weight = new Float32Array(places)
  }

  /** Adds `values` [f, y, x, channels] of a box, blended over `feathers` at its inner edges. */
  add(values: Float32Array, box: Box, feathers: readonly [number, number, number]): void {
    const [, H, W] = this.#extents
    const [wf, wy, wx] = box.map((span, axis) => ramp(span, this.#extents[axis]!, feathers[axis]!))
    const [f, y, x] = box
    for (let i = 0; i < f.size; i++)
      for (let j = 0; j < y.size; j++)
        for (let k = 0; k < x.size; k++) {
          const weight = wf![i]! * wy![j]! * wx![k]!
          const place = ((f.start + i) * H + y.start + j) * W + x.start + k
          const from = ((i * y.size + j) * x.size + k) * this.#channels
          this.#weight[place]! += weight
          for (let c = 0; c < this.#channels; c++) this.#sum[place * this.#channels + c]! += weight * values[from + c]!
        }
  }

  /** [F, H, W, channels]. */
  values(): Float32Array {
    const out = this.#sum
    for (let i = 0; i < out.length; i++) out[i]! /= this.#weight[Math.floor(i / this.#channels)]!
    return out
  }
}

/** Feathers are the overlaps that neighbours really have, less the place that both would give nothing. */
const featherOf = (all: readonly Span[]): number =>
  all.length < 2 ? 0 : Math.max(0, all[0]!.start + all[0]!.size - all[1]!.start - 1)

const boxesOf = (axes: readonly (readonly Span[])[]): Box[] =>
  axes[0]!.flatMap((f) => axes[1]!.flatMap((y) => axes[2]!.map((x): Box => [f, y, x])))

/** Latent frames, rows and columns of [B, C, (F,) h, w]. */
const cellsOf = ({ shape }: Tensor): readonly [number, number, number] => [
  shape.length === 5 ? shape[2]! : 1,
  shape.at(-2) ?? 0,
  shape.at(-1) ?? 0,
]

function spansOf([F, h, w]: readonly [number, number, number], { tile, overlap, frames }: Tiling) {
  const along = frames ? spans(F, frames.tile, frames.overlap) : [{ start: 0, size: F }]
  return [along, spans(h, tile, overlap), spans(w, tile, overlap)] as const
}

/** Where a stretch of latent frames lies among the frames: latent frame f ends with frame f t. */
const framesAt = ({ start, size }: Span, t: number): Span => ({ start: start * t, size: 1 + (size - 1) * t })
const times = ({ start, size }: Span, factor: number): Span => ({ start: start * factor, size: size * factor })

/**
 * Decodes as `Autoencoder.decode` does, tile by tile, the seams blended; the same bits where one tile covers all. Latents of video
 * may be cut along time too: a tile's first frame then knows nothing of those before, which the blend hides.
 */
export async function decodeTiled(
  vae: Autoencoder,
  latent: Tensor,
  tiling: Tiling,
  scaling?: LatentScaling,
): Promise<Tensor> {
  const cells = cellsOf(latent)
  const axes = spansOf(cells, tiling)
  if (axes.every((one) => one.length === 1)) return vae.decode(latent, scaling)
  const [batch = 0, channels = 0] = latent.shape
  const [f, t] = [vae.factor, vae.temporalFactor ?? 1]
  const isVideo = latent.shape.length === 5
  const extents = [isVideo ? 1 + (cells[0] - 1) * t : 1, cells[1] * f, cells[2] * f] as const
  const feathers = [featherOf(axes[0]) * t, featherOf(axes[1]) * f, featherOf(axes[2]) * f] as const
  const parts: Float32Array[] = []
  for (let b = 0; b < batch; b++) {
    const one = {
      data: latent.data.subarray(b * (latent.data.length / batch), (b + 1) * (latent.data.length / batch)),
      shape: [],
    }
    const blend = new Blend(extents, 3)
    for (const box of boxesOf(axes)) {
      const shape = [1, channels, ...(isVideo ? [box[0].size] : []), box[1].size, box[2].size]
      const tile = tensor(cut(one, channels, [channels, ...cells], box), shape)
      const { data } = await vae.decode(tile, scaling)
      blend.add(data, [isVideo ? framesAt(box[0], t) : box[0], times(box[1], f), times(box[2], f)], feathers)
    }
    parts.push(blend.values())
  }
  return joined(parts, [batch * extents[0], extents[1], extents[2], 3])
}

function joined(parts: readonly Float32Array[], shape: readonly number[]): Tensor {
  if (parts.length === 1) return tensor(parts[0]!, shape)
  const out = zeros(shape)
  parts.forEach((part, i) => out.data.set(part, i * part.length))
  return out
}

/** Values [places, channels] as planes [channels, places]. */
function toPlanes(values: Float32Array, channels: number): Float32Array {
  const places = values.length / channels
  const out = new Float32Array(values.length)
  for (let i = 0; i < places; i++) for (let c = 0; c < channels; c++) out[c * places + i] = values[i * channels + c]!
  return out
}

/** The other way. */
function toPlaces(planes: Float32Array, channels: number): Float32Array {
  return toPlanes(planes, planes.length / channels)
}

/**
 * Encodes pictures [B, H, W, 3], whose sides are multiples of the factor, as `Autoencoder.encode` does, tile by tile. Pictures only: a
 * video's frames are encoded together.
 */
export async function encodeTiled(vae: Autoencoder, pixels: Tensor, tiling: Tiling): Promise<Tensor> {
  const [batch = 0, height = 0, width = 0] = pixels.shape
  const cells = [1, height / vae.factor, width / vae.factor] as const
  const axes = spansOf(cells, { tile: tiling.tile, overlap: tiling.overlap })
  if (vae.temporalFactor !== undefined || axes.every((one) => one.length === 1)) return vae.encode(pixels)
  const feathers = [0, featherOf(axes[1]), featherOf(axes[2])] as const
  const parts: Float32Array[] = []
  for (let b = 0; b < batch; b++) {
    const size = height * width * 3
    const lines = { data: pixels.data.subarray(b * size, (b + 1) * size), shape: [] }
    const blend = new Blend(cells, vae.channels)
    for (const [frame, y, x] of boxesOf(axes)) {
      const [rows, columns] = [times(y, vae.factor), times(x, vae.factor)]
      const colours: Box = [{ start: 0, size: 1 }, rows, { start: columns.start * 3, size: columns.size * 3 }]
      const tile = tensor(cut(lines, 1, [1, 1, height, width * 3], colours), [1, rows.size, columns.size, 3])
      const { data } = await vae.encode(tile)
      blend.add(toPlaces(data, vae.channels), [frame, y, x], feathers)
    }
    parts.push(toPlanes(blend.values(), vae.channels))
  }
  return joined(parts, [batch, vae.channels, cells[1], cells[2]])
}
