/** The convolutions over frames against ONNX Runtime's own 3-D convolution. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import { runOnce } from '../../../diffusion/check/shared/run-graph.ts'
import {
  conv3d,
  fromFrames,
  repeatEdges,
  repeatFirst,
  toFrames,
  zerosBefore,
} from '../../../diffusion/families/vae/causal-3d.ts'
import { Graph, type Value } from '../../../diffusion/onnx/graph.ts'
import type { Linear } from '../../../diffusion/onnx/ops.ts'
import { openWeights } from '../../../diffusion/onnx/weights.ts'
import { sizeOf, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { encodeSafetensors } from '../onnx/encode-safetensors.ts'

const [CHANNELS, OUT] = [3, 5]
const values = (shape: readonly number[]) => ({
  shape,
  data: Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * i)),
})

const FILE = encodeSafetensors({
  'cube.weight': values([OUT, CHANNELS, 3, 3, 3]),
  'cube.bias': values([OUT]),
  'time.weight': values([OUT, CHANNELS, 3, 1, 1]),
  'time.bias': values([OUT]),
  'point.weight': values([OUT, CHANNELS, 1, 1, 1]),
  'point.bias': values([OUT]),
})

describe('conv3d over frames', () => {
  let folder: string
  let layers: Readonly<Record<'cube' | 'time' | 'point', Linear>>
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causal-'))
    await writeFile(join(folder, 'w.safetensors'), FILE)
    const { tensors } = await openWeights(join(folder, 'w.safetensors'))
    const layer = (name: string): Linear => ({
      weight: tensors.get(`${name}.weight`)!,
      bias: tensors.get(`${name}.bias`)!,
    })
    layers = { cube: layer('cube'), time: layer('time'), point: layer('point') }
  })
  afterAll(() => rm(folder, { recursive: true }))

  const made = values([1, CHANNELS, 6, 4, 5])
  const video = tensor(Float32Array.from(made.data), made.shape)
  const run = async (build: (g: Graph, x: Value) => Value): Promise<Tensor> => {
    const g = new Graph()
    g.output('y', build(g, g.input('x', [1, CHANNELS, 'F', 'H', 'W'])), [1, OUT, 'f', 'h', 'w'])
    return (await runOnce(g.build(), { x: video }, 'test', 'convolutions'))['y']!
  }
  /** The operator's own `pads`: begin of time, height, width, then their ends. */
  const whole = (layer: Linear, pads: readonly number[], strides: readonly number[]) =>
    run((g, x) => g.op('Conv', [x, g.weight(layer.weight), g.weight(layer.bias!)], { pads, strides }))

  const same = async (actual: Promise<Tensor>, expected: Promise<Tensor>): Promise<void> => {
    const [a, b] = [await actual, await expected]
    expect(a.shape).toEqual(b.shape)
    expect(Math.max(...b.data)).toBeGreaterThan(0.5)
    expect(maxAbsDifference(a, b)).toBeLessThan(1e-5)
  }

  it('pads the past with zeros', () =>
    same(
      run((g, x) => fromFrames(g, conv3d(g, zerosBefore(g, toFrames(g, x), 2), layers.cube, { pads: [1, 1, 1, 1] }))),
      whole(layers.cube, [2, 1, 1, 0, 1, 1], [1, 1, 1]),
    ))

  it('strides in time, over odd and even counts of frames', async () => {
    for (const before of [0, 1])
      await same(
        run((g, x) => fromFrames(g, conv3d(g, zerosBefore(g, toFrames(g, x), before), layers.time, { timeStride: 2 }))),
        whole(layers.time, [before, 0, 0, 0, 0, 0], [2, 1, 1]),
      )
  })

  it('strides in space and pads one side only', () =>
    same(
      run((g, x) => fromFrames(g, conv3d(g, toFrames(g, x), layers.cube, { pads: [0, 0, 1, 1], stride: 2 }))),
      whole(layers.cube, [0, 0, 0, 0, 1, 1], [1, 2, 2]),
    ))

  it('takes kernels of one frame, with a stride in time too', () =>
    same(
      run((g, x) => fromFrames(g, conv3d(g, toFrames(g, x), layers.point, { timeStride: 2 }))),
      whole(layers.point, [0, 0, 0, 0, 0, 0], [2, 1, 1]),
    ))

  it('repeats the first frame and the edges', () =>
    same(
      run((g, x) => {
        const padded = repeatEdges(g, repeatFirst(g, toFrames(g, x), 2), [1, 1, 1, 1])
        return fromFrames(g, conv3d(g, padded, layers.cube))
      }),
      run((g, x) => {
        const padded = g.op('Pad', [x, g.ints([0, 0, 2, 1, 1, 0, 0, 0, 1, 1])], { mode: 'edge' })
        return g.op('Conv', [padded, g.weight(layers.cube.weight), g.weight(layers.cube.bias!)])
      }),
    ))
})
