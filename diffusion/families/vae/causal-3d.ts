/** Causal convolutions over video as pieces of graph: frames are the batch of 2-D convolutions, and no frame sees a later one. */
import type { Graph, Value } from '../../onnx/graph.ts'
import { conv2d, type Linear } from '../../onnx/ops.ts'

/** A slice that goes to the end. */
const END = 2 ** 31 - 1

/** Values [F, C, H, W]: the frames of one video. */
export type Frames = Value

/** One video [1, C, F, H, W] -> [F, C, H, W]. */
export const toFrames = (g: Graph, video: Value): Frames =>
  g.op('Transpose', [g.op('Squeeze', [video, g.ints([0])])], { perm: [1, 0, 2, 3] })

/** [F, C, H, W] -> one video [1, C, F, H, W]. */
export const fromFrames = (g: Graph, frames: Frames): Value =>
  g.op('Unsqueeze', [g.op('Transpose', [frames], { perm: [1, 0, 2, 3] }), g.ints([0])])

/** Frames [from, to) of [F, C, H, W], every `step`-th; negative places count from the end. */
export const framesOf = (g: Graph, frames: Frames, from: number, to = END, step = 1): Frames =>
  g.op('Slice', [frames, g.ints([from]), g.ints([to]), g.ints([0]), g.ints([step])])

/** Two stretches of frames, one after the other. */
export const joinFrames = (g: Graph, ...stretches: readonly Frames[]): Frames => g.op('Concat', stretches, { axis: 0 })

/** `count` copies of the first frame before the frames: replicate padding towards the past. */
export const repeatFirst = (g: Graph, frames: Frames, count: number): Frames =>
  joinFrames(g, ...new Array<Frames>(count).fill(framesOf(g, frames, 0, 1)), frames)

/** `count` frames of zeros before the frames. */
export const zerosBefore = (g: Graph, frames: Frames, count: number): Frames =>
  g.op('Pad', [frames, g.ints([count, 0, 0, 0, 0, 0, 0, 0])])

/** Repeats the outermost rows and columns: `pads` are top, left, bottom, right. */
export const repeatEdges = (g: Graph, frames: Frames, [top, left, bottom, right]: readonly number[]): Frames =>
  g.op('Pad', [frames, g.ints([0, 0, top ?? 0, left ?? 0, 0, 0, bottom ?? 0, right ?? 0])], { mode: 'edge' })

export interface Convolution3d {
  /** Zeros around each frame: top, left, bottom, right. None where absent. */
  readonly pads?: readonly number[]
  /** Along height and width. */
  readonly stride?: number
  /** Along time. */
  readonly timeStride?: number
}

/**
 * 3-D convolution with PyTorch's weight [out, in, t, k, k] of frames [F, in, H, W] -> [(F - t) / timeStride + 1, out, H', W']: nothing is added along time, so
 * causal models put t - 1 frames in front. Each frame and the t - 1 before it are laid side by side as channels and convolved in 2-D:
 * the weight is read where it lies, and 2-D convolution is the one that every execution provider is good at.
 */
export function conv3d(
  g: Graph,
  frames: Frames,
  { weight, bias }: Linear,
  { pads = [0, 0, 0, 0], stride = 1, timeStride = 1 }: Convolution3d = {},
): Frames {
  const [out = 0, wide = 0, times = 1, ...window] = weight.shape
  const flat = { weight: { ...weight, shape: [out, wide * times, ...window] }, bias }
  if (times === 1) {
    const kept = timeStride === 1 ? frames : framesOf(g, frames, 0, END, timeStride)
    return conv2d(g, kept, flat, pads, stride)
  }
  const seen = Array.from({ length: times }, (_, k) =>
    framesOf(g, frames, k, k === times - 1 ? END : k - times + 1, timeStride),
  )
  const stacked = g.op(
    'Concat',
    seen.map((frame) => g.op('Unsqueeze', [frame, g.ints([2])])),
    { axis: 2 },
  )
  const [count, sides] = [
    g.op('Shape', [stacked], { start: 0, end: 1 }),
    g.op('Shape', [stacked], { start: 3, end: 5 }),
  ]
  const shape = g.op('Concat', [count, g.ints([wide * times]), sides], { axis: 0 })
  return conv2d(g, g.op('Reshape', [stacked, shape]), flat, pads, stride)
}
