/** Long videos through an autoencoder in overlapping stretches of frames that are blended where they overlap. */
import { sizeOf, tensor, type Tensor } from '../../tensor.ts'

/** Frames [from, to) of [B, C, F, H, W], as far as there are any. */
function sliceFrames({ data, shape }: Tensor, from: number, to: number): Tensor {
  const [batch = 0, channels = 0, frames = 0, height = 0, width = 0] = shape
  const [end, size] = [Math.min(to, frames), height * width]
  const count = Math.max(0, end - from)
  const out = new Float32Array(batch * channels * count * size)
  for (let plane = 0; plane < batch * channels; plane++)
    out.set(data.subarray((plane * frames + from) * size, (plane * frames + end) * size), plane * count * size)
  return tensor(out, [batch, channels, count, height, width])
}

/** Videos of the same size, one after the other. */
function joinVideos(parts: readonly Tensor[]): Tensor {
  const [batch = 0, channels = 0, , height = 0, width = 0] = parts[0]!.shape
  const [size, frames] = [height * width, parts.reduce((sum, { shape }) => sum + (shape[2] ?? 0), 0)]
  const out = tensor(new Float32Array(batch * channels * frames * size), [batch, channels, frames, height, width])
  let start = 0
  for (const { data, shape } of parts) {
    const own = (shape[2] ?? 0) * size
    for (let plane = 0; plane < batch * channels; plane++)
      out.data.set(data.subarray(plane * own, (plane + 1) * own), plane * frames * size + start)
    start += own
  }
  return out
}

/** `next` whose first frames fade in over the last `extent` ones of `before`. Writes to `next`. */
function fadeIn(before: Tensor, next: Tensor, extent: number): void {
  const [batch = 0, channels = 0, frames = 0] = next.shape
  const [size, earlier] = [sizeOf(next.shape.slice(3)), before.shape[2] ?? 0]
  const count = Math.min(earlier, frames, extent)
  for (let plane = 0; plane < batch * channels; plane++)
    for (let frame = 0; frame < count; frame++) {
      const share = frame / count
      const [from, to] = [(plane * earlier + earlier - count + frame) * size, (plane * frames + frame) * size]
      for (let i = 0; i < size; i++)
        next.data[to + i] = before.data[from + i]! * (1 - share) + next.data[to + i]! * share
    }
}

/** How a video is cut: stretches of `length` + 1 frames that begin every `stride`; in what comes out they are `made` + 1 long and `kept` apart. */
export interface TemporalTiling {
  readonly length: number
  readonly stride: number
  readonly made: number
  readonly kept: number
}

/**
 * [B, C, F, H, W] -> what `work` makes of it, stretch by stretch: `frames` frames. Each stretch but the first begins with a frame of the one
 * before it, which gives it its past and is left out of the result.
 */
export async function inStretches(
  video: Tensor,
  { length, stride, made, kept }: TemporalTiling,
  frames: number,
  work: (stretch: Tensor) => Promise<Tensor>,
): Promise<Tensor> {
  const total = video.shape[2] ?? 0
  const results: Tensor[] = []
  let before: Tensor | null = null
  for (let from = 0; from < total; from += stride) {
    const whole = await work(sliceFrames(video, from, from + length + 1))
    const own = from === 0 ? whole : sliceFrames(whole, 1, Infinity)
    if (before) fadeIn(before, own, made - kept)
    results.push(sliceFrames(own, 0, from === 0 ? kept + 1 : kept))
    before = own
  }
  return sliceFrames(joinVideos(results), 0, frames)
}
