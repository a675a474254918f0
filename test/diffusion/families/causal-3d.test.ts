/** The pieces of causal video convolutions against what they are defined by, value by value. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import { runOnce } from '../../../diffusion/check/shared/run-graph.ts'
import {
  conv3d,
  enlarge,
  framesOf,
  fromFrames,
  interleaveHalves,
  joinFrames,
  toFrames,
  type Convolution3d,
} from '../../../diffusion/families/vae/causal-3d.ts'
import { Graph, type Value } from '../../../diffusion/onnx/graph.ts'
import type { Linear } from '../../../diffusion/onnx/ops.ts'
import { openWeights } from '../../../diffusion/onnx/weights.ts'
import { sizeOf, tensor, zeros, type Tensor } from '../../../diffusion/tensor.ts'
import { encodeSafetensors } from '../onnx/encode-safetensors.ts'

const [CHANNELS, OUT] = [4, 5]
const [FRAMES, HEIGHT, WIDTH] = [6, 4, 5]
const wave = (shape: readonly number[]): Tensor =>
  tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * i)),
    shape,
  )
const KERNELS = { cube: [3, 3, 3], time: [3, 1, 1], point: [1, 1, 1], flat: [3, 3] } as const
type Kernel = keyof typeof KERNELS
const weightOf = (name: Kernel): Tensor => wave([OUT, CHANNELS, ...KERNELS[name]])
const BIAS = wave([OUT])
const VIDEO = wave([1, CHANNELS, FRAMES, HEIGHT, WIDTH])

const at = ({ data, shape }: Tensor, c: number, f: number, y: number, x: number): number => {
  const [, , frames = 0, height = 0, width = 0] = shape
  if (f < 0 || y < 0 || x < 0 || f >= frames || y >= height || x >= width) return 0
  return data[((c * frames + f) * height + y) * width + x]!
}

/** The sum that a convolution is. */
function convolved(name: Kernel, { past = 0, pads = [0, 0, 0, 0], stride = 1, timeStride = 1 }: Convolution3d): Tensor {
  const [t, k, l] = name === 'flat' ? [1, 3, 3] : KERNELS[name]
  const [top = 0, left = 0, bottom = 0, right = 0] = pads
  const count = (size: number, kernel: number, step: number) => Math.floor((size - kernel) / step) + 1
  const frames = count(FRAMES + past, t, timeStride)
  const [height, width] = [count(HEIGHT + top + bottom, k, stride), count(WIDTH + left + right, l, stride)]
  const { data: weight } = weightOf(name)
  const out = zeros([1, OUT, frames, height, width])
  for (let i = 0; i < out.data.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width) % height]
    const [f, o] = [Math.floor(i / (width * height)) % frames, Math.floor(i / (width * height * frames))]
    let sum = BIAS.data[o]!
    for (let c = 0; c < CHANNELS; c++)
      for (let dt = 0; dt < t; dt++)
        for (let dy = 0; dy < k; dy++)
          for (let dx = 0; dx < l; dx++)
            sum +=
              weight[(((o * CHANNELS + c) * t + dt) * k + dy) * l + dx]! *
              at(VIDEO, c, f * timeStride + dt - past, y * stride + dy - top, x * stride + dx - left)
    out.data[i] = sum
  }
  return out
}

/** [1, C, F, H, W] of which every value is read from the video at another place. */
function moved(
  [channels, frames, height, width]: readonly [number, number, number, number],
  from: (c: number, f: number, y: number, x: number) => readonly [number, number, number, number],
): Tensor {
  const out = zeros([1, channels, frames, height, width])
  for (let i = 0; i < out.data.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width) % height]
    const [f, c] = [Math.floor(i / (width * height)) % frames, Math.floor(i / (width * height * frames))]
    out.data[i] = at(VIDEO, ...from(c, f, y, x))
  }
  return out
}

describe('causal 3-D convolutions', () => {
  let folder: string
  let layers: ReadonlyMap<string, Linear>
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causal-'))
    const names = Object.keys(KERNELS) as Kernel[]
    const stored = [['bias', BIAS] as const, ...names.map((name) => [name, weightOf(name)] as const)]
    const file = Object.fromEntries(stored.map(([name, { data, shape }]) => [name, { data: [...data], shape }]))
    await writeFile(join(folder, 'w.safetensors'), encodeSafetensors(file))
    const { tensors } = await openWeights(join(folder, 'w.safetensors'))
    layers = new Map(names.map((name) => [name, { weight: tensors.get(name)!, bias: tensors.get('bias')! }]))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const run = async (build: (g: Graph, x: Value) => Value): Promise<Tensor> => {
    const g = new Graph()
    g.output('y', build(g, g.input('x', [1, CHANNELS, 'F', 'H', 'W'])), [1, 'C', 'f', 'h', 'w'])
    return (await runOnce(g.build(), { x: VIDEO }, 'test', 'convolutions'))['y']!
  }
  const same = (actual: Tensor, expected: Tensor): void => {
    expect(actual.shape).toEqual(expected.shape)
    expect(maxAbsDifference(actual, expected)).toBeLessThan(1e-5)
  }

  it.each([
    ['cube', { past: 2, pads: [1, 1, 1, 1] }],
    ['cube', { pads: [0, 0, 1, 1], stride: 2 }],
    ['time', { timeStride: 2 }],
    ['time', { timeStride: 2, past: 1 }],
    ['point', {}],
    ['flat', { pads: [0, 0, 1, 1], stride: 2 }],
  ] as const)('%s %j', async (name, options) => {
    same(await run((g, x) => conv3d(g, x, layers.get(name)!, options)), convolved(name, options))
  })

  it('goes on where an earlier stretch of frames ended', async () => {
    const whole = { past: 2, pads: [1, 1, 1, 1] }
    const parts = await run((g, x) => {
      const cube = layers.get('cube')!
      const first = conv3d(g, framesOf(g, x, 0, 3), cube, whole)
      const rest = conv3d(g, joinFrames(g, framesOf(g, x, 1, 3), framesOf(g, x, 3)), cube, { pads: whole.pads })
      return joinFrames(g, first, rest)
    })
    same(parts, convolved('cube', whole))
  })

  it('repeats every row and column', async () => {
    same(
      await run((g, x) => enlarge(g, x, 2)),
      moved([CHANNELS, FRAMES, 2 * HEIGHT, 2 * WIDTH], (c, f, y, x) => [c, f, y >> 1, x >> 1]),
    )
  })

  it('makes frames of the halves of the channels, and a batch of the frames and back', async () => {
    same(
      await run(interleaveHalves),
      moved([CHANNELS / 2, 2 * FRAMES, HEIGHT, WIDTH], (c, f, y, x) => [c + (f % 2) * (CHANNELS / 2), f >> 1, y, x]),
    )
    const frames = await run(toFrames)
    expect(frames.shape).toEqual([FRAMES, CHANNELS, HEIGHT, WIDTH])
    expect(frames.data[(CHANNELS + 2) * HEIGHT * WIDTH]).toBe(at(VIDEO, 2, 1, 0, 0))
    same(await run((g, x) => fromFrames(g, toFrames(g, x))), VIDEO)
  })
})
