/** The grid of patches of a latent, as it travels from the latent's shape to the head. */
import type { Feed } from '../../onnx/session.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import type { Rows } from '../contract.ts'

/** Patches along each side [2], shared by all samples of this latent shape [C, H, W]. */
export const gridRow = ([, height = 0, width = 0]: readonly number[], patch: number): Tensor =>
  tensor(Float32Array.of(height / patch, width / patch), [2])

/** The shape that the head gives its tokens: [0, h, w, patch, patch, channels]. */
export function gridShape(shared: Rows, patch: number, channels: number): Feed {
  const [h, w] = shared['grid']?.data ?? []
  if (h === undefined || w === undefined) throw new Error("head: shared values without 'grid'")
  return { data: BigInt64Array.from([0, h, w, patch, patch, channels], BigInt), shape: [6] }
}

/** [B, C, h, patch, w, patch] as [B, C, H, W]. */
export function unpatched({ data, shape }: Tensor): Tensor {
  const [batch = 0, channels = 0, h = 0, p = 0, w = 0, q = 0] = shape
  return tensor(data, [batch, channels, h * p, w * q])
}
