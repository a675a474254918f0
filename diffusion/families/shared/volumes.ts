/** Latents of video as tokens of patches, and back. */
import type { Linear } from '../../onnx/ops.ts'
import type { Graph, Value } from '../../onnx/graph.ts'
import type { Feed } from '../../onnx/session.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import type { Rows } from '../contract.ts'

/** Latent cells of a patch along frames, rows and columns. */
export type VolumePatch = readonly [frames: number, rows: number, columns: number]

/** Patches along each axis of a latent [C, F, H, W]. */
export const patchCounts = ([, ...sides]: readonly number[], patch: VolumePatch): readonly [number, number, number] => {
  const [f = 0, h = 0, w = 0] = patch.map((size, axis) => (sides[axis] ?? 0) / size)
  return [f, h, w]
}

/** What does not suit a latent [C, F, H, W]: a sentence each. */
export function volumeFaults(latentShape: readonly number[], channels: number, patch: VolumePatch): readonly string[] {
  const counts = patchCounts(latentShape, patch)
  if (latentShape[0] !== channels || latentShape.length !== 4)
    return [`the latent is [${latentShape.join(', ')}], expected [${channels}, F, H, W]`]
  if (counts.some((count) => count < 1 || !Number.isInteger(count)))
    return [`the latent's ${latentShape.slice(1).join(' x ')} cells must be multiples of ${patch.join(' x ')}`]
  return []
}

/** Patches along each axis [3], shared by all samples of this latent shape [C, F, H, W]. */
export const volumeGrid = (latentShape: readonly number[], patch: VolumePatch): Tensor =>
  tensor(Float32Array.from(patchCounts(latentShape, patch)), [3])

/** latent [B, C, F, H, W] -> tokens [B, f h w, width], frame by frame; the weight is [width, C, frames, rows, columns]. */
export function patchTokens(g: Graph, { weight, bias }: Linear, latent: Value): Value {
  const [width = 0, , ...sides] = weight.shape
  const inputs = [latent, g.weight(weight), ...(bias ? [g.weight(bias)] : [])]
  const cells = g.op('Conv', inputs, { strides: sides, pads: sides.flatMap(() => [0, 0]) })
  return g.op('Transpose', [g.op('Reshape', [cells, g.ints([0, width, -1])])], { perm: [0, 2, 1] })
}

/** The shape that a head gives its tokens: [0, f, h, w, channels, and the patch's frames, rows, columns]. */
export function volumeShape(shared: Rows, channels: number, patch: VolumePatch): Feed {
  const grid = shared['grid']?.data
  if (grid?.length !== 3) throw new Error("head: shared values without 'grid'")
  return { data: BigInt64Array.from([0, ...grid, channels, ...patch], BigInt), shape: [8] }
}

/** tokens [B, f h w, channels p p p] -> [B, channels, f, p, h, p, w, p]. */
export const tokensToVolume = (g: Graph, tokens: Value, shape: Value): Value =>
  g.op('Transpose', [g.op('Reshape', [tokens, shape])], { perm: [0, 4, 1, 5, 2, 6, 3, 7] })

/** [B, C, f, p, h, p, w, p] as [B, C, F, H, W]. */
export function wholeVolume({ data, shape }: Tensor): Tensor {
  const [batch = 0, channels = 0, f = 0, pf = 0, h = 0, ph = 0, w = 0, pw = 0] = shape
  return tensor(data, [batch, channels, f * pf, h * ph, w * pw])
}
