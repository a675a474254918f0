/** Causal convolutions over video as pieces of graph: no frame sees a later one. */
import type { Graph, Value } from '../../onnx/graph.ts'
import type { Linear } from '../../onnx/ops.ts'

/** A slice that goes to the end. */
const END = 2 ** 31 - 1
const TIME = 2

/** Values [B, C, F, H, W]. */
export type Video = Value

/** One video [1, C, F, H, W] as a batch of its frames [F, C, H, W]. */
export const toFrames = (g: Graph, video: Video): Value =>
  g.op('Transpose', [g.op('Squeeze', [video, g.ints([0])])], { perm: [1, 0, 2, 3] })

/** [F, C, H, W] as one video [1, C, F, H, W]. */
export const fromFrames = (g: Graph, frames: Value): Video =>
  g.op('Unsqueeze', [g.op('Transpose', [frames], { perm: [1, 0, 2, 3] }), g.ints([0])])

/** Frames [from, to); negative places count from the end. */
export const framesOf = (g: Graph, video: Video, from: number, to = END): Video =>
  g.op('Slice', [video, g.ints([from]), g.ints([to]), g.ints([TIME])])

/** Stretches of frames, one after the other. */
export const joinFrames = (g: Graph, ...stretches: readonly Video[]): Video => g.op('Concat', stretches, { axis: TIME })

export interface Convolution3d {
  /** Frames of zeros in front. */
  readonly past?: number
  /** Zeros around each frame: top, left, bottom, right. None where absent. */
  readonly pads?: readonly number[]
  /** Along height and width. */
  readonly stride?: number
  /** Along time. */
  readonly timeStride?: number
}

/** Convolution with PyTorch's weight [out, in, t, k, k], or [out, in, k, k] for every frame by itself. Nothing is added behind the last frame. */
export function conv3d(
  g: Graph,
  video: Video,
  { weight, bias }: Linear,
  { past = 0, pads = [0, 0, 0, 0], stride = 1, timeStride = 1 }: Convolution3d = {},
): Video {
  const [out = 0, wide = 0, ...window] = weight.shape
  const [times, ...sides] = window.length === 2 ? [1, ...window] : window
  const kernel = { ...weight, shape: [out, wide, times ?? 1, ...sides] }
  const [top = 0, left = 0, bottom = 0, right = 0] = pads
  return g.op('Conv', [video, g.weight(kernel), ...(bias ? [g.weight(bias)] : [])], {
    pads: [past, top, left, 0, bottom, right],
    strides: [timeStride, stride, stride],
  })
}

/** Repeats every row and column `factor` times. */
export const enlarge = (g: Graph, video: Video, factor: number): Video =>
  g.op('Resize', [video, null, g.constant([1, 1, 1, factor, factor])], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  })

/** Frames whose channels are in two halves [B, 2 C, F, H, W] -> the first and the second half as frames in turn [B, C, 2 F, H, W]. */
export function interleaveHalves(g: Graph, video: Video): Video {
  const [first, second] = g.ops('Split', [video], { axis: 1, num_outputs: 2 }, 2) as [Value, Value]
  const pairs = g.op(
    'Concat',
    [first, second].map((half) => g.op('Unsqueeze', [half, g.ints([3])])),
    { axis: 3 },
  )
  const [lead, sides] = [g.op('Shape', [first], { start: 0, end: 2 }), g.op('Shape', [first], { start: 3, end: 5 })]
  return g.op('Reshape', [pairs, g.op('Concat', [lead, g.ints([-1]), sides], { axis: 0 })])
}
