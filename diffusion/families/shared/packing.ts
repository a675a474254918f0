/** Latents of pictures as tokens that hold all values of a patch, channel by channel, and back. */
import type { Graph, Value } from '../../onnx/graph.ts'
import type { Feed } from '../../onnx/session.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import type { Rows } from '../contract.ts'

/** What does not suit a latent [C, H, W]: a sentence each. */
export function pictureFaults(latentShape: readonly number[], channels: number, patch: number): readonly string[] {
  const [, height = 0, width = 0] = latentShape
  if (latentShape[0] !== channels || latentShape.length !== 3)
    return [`the latent is [${latentShape.join(', ')}], expected [${channels}, H, W]`]
  if ([height, width].some((side) => side < patch || side % patch !== 0))
    return [`the latent's sides ${height} x ${width} must be multiples of ${patch}`]
  return []
}

/** [B, C, H, W] seen as [B, C, h, p, w, p]. */
export function inPatches({ data, shape }: Tensor, patch: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = shape
  return tensor(data, [batch, channels, height / patch, patch, width / patch, patch])
}

/** [B, C, h, p, w, p] -> tokens [B, h w, C p p]; `size` is C p p. */
export const packed = (g: Graph, patches: Value, size: number): Value =>
  g.op('Reshape', [g.op('Transpose', [patches], { perm: [0, 2, 4, 1, 3, 5] }), g.ints([0, -1, size])])

/** tokens [B, h w, C p p] and the shape [0, h, w, C, p, p] -> [B, C, h, p, w, p]. */
export const unpacked = (g: Graph, tokens: Value, shape: Value): Value =>
  g.op('Transpose', [g.op('Reshape', [tokens, shape])], { perm: [0, 3, 1, 4, 2, 5] })

/** The shape that a head gives its tokens: [0, h, w, channels, patch, patch]. */
export function packedShape(shared: Rows, patch: number, channels: number): Feed {
  const [h, w] = shared['grid']?.data ?? []
  if (h === undefined || w === undefined) throw new Error("head: shared values without 'grid'")
  return { data: BigInt64Array.from([0, h, w, channels, patch, patch], BigInt), shape: [6] }
}

/** Visits every value of a packing of latents [C, H, W]: its place among the tokens, and in the latents. */
function eachValue(
  batch: number,
  [channels = 0, height = 0, width = 0]: readonly number[],
  patch: number,
  visit: (token: number, cell: number) => void,
): void {
  const size = channels * patch ** 2
  for (let b = 0, cell = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++, cell++) {
          const row = b * (height / patch) + Math.floor(y / patch)
          const token = row * (width / patch) + Math.floor(x / patch)
          visit(token * size + (c * patch + (y % patch)) * patch + (x % patch), cell)
        }
}

/** Tokens [B, h w, C p p] -> latents [B, C, H, W], on the host: for references that take tokens. */
export function toLatents({ data, shape }: Tensor, latentShape: readonly number[], patch: number): Tensor {
  const out = new Float32Array(data.length)
  eachValue(shape[0] ?? 0, latentShape, patch, (token, cell) => (out[cell] = data[token]!))
  return tensor(out, [shape[0] ?? 0, ...latentShape])
}

/** Latents [B, C, H, W] -> tokens [B, h w, C p p], on the host. */
export function toTokens({ data, shape }: Tensor, patch: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = shape
  const out = new Float32Array(data.length)
  eachValue(batch, [channels, height, width], patch, (token, cell) => (out[token] = data[cell]!))
  return tensor(out, [batch, (height / patch) * (width / patch), channels * patch ** 2])
}
