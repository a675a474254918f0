/** Causal convolutions in stretches: what each has seen last goes out of one run of a graph and into the next. */
import type { Graph, Value } from '../../onnx/graph.ts'
import type { Linear } from '../../onnx/ops.ts'
import { zeros, type Tensor } from '../../tensor.ts'
import { conv3d, framesOf, joinFrames, type Convolution3d, type Video } from './causal-3d.ts'

/** Frames that a convolution remembers between two runs [1, channels, frames, height, width]. */
export interface Memory {
  /** Of the graph's input, and of its output. */
  readonly name: string
  readonly channels: number
  readonly frames: number
  /** Sides of its frames, relative to those of the graph's main input. */
  readonly scale: number
}

/** Builds a graph that is run on one stretch of frames after another. */
export class StreamGraph {
  readonly g: Graph
  /** What the runs hand on, in the order in which it was asked for. */
  readonly memories: Memory[] = []
  /** Whether this is the first stretch, as a bool of one element. */
  readonly isFirst: Value

  constructor(g: Graph) {
    this.g = g
    this.isFirst = g.op('Equal', [g.input('first', [1], 'i64'), g.ints([1])])
  }

  /** A new memory; `keep` says what it is after this run. */
  remember(channels: number, frames: number, scale: number): { before: Video; keep: (after: Video) => void } {
    const name = `memory ${this.memories.length}`
    const dims = [1, channels, frames, `${name} H`, `${name} W`]
    this.memories.push({ name, channels, frames, scale })
    return { before: this.g.input(name, dims), keep: (after) => this.g.output(name, after, dims) }
  }

  /** A convolution that sees the frames before this stretch; zeros before the first. */
  conv(video: Video, layer: Linear, scale: number, options: Omit<Convolution3d, 'past' | 'timeStride'> = {}): Video {
    const [, channels = 0, times = 1] = layer.weight.shape
    if (times === 1) return conv3d(this.g, video, layer, options)
    const { before, keep } = this.remember(channels, times - 1, scale)
    const seen = joinFrames(this.g, before, video)
    keep(framesOf(this.g, seen, 1 - times))
    return conv3d(this.g, seen, layer, options)
  }
}

/** What the first run gets for `memories`, the main input's frames being of this size. */
export const noMemory = (memories: readonly Memory[], height: number, width: number): Record<string, Tensor> =>
  Object.fromEntries(
    memories.map(({ name, channels, frames, scale }) => [
      name,
      zeros([1, channels, frames, height * scale, width * scale]),
    ]),
  )
