/** A judge of two pictures, such as LPIPS (Zhang et al. 2018): how different they look. */
import { readOnnx } from '../../diffusion/onnx/file.ts'
import { openSession } from '../../diffusion/onnx/session.ts'
import { tensor, type Tensor } from '../../diffusion/tensor.ts'
import type { Judge } from './judges.ts'

/** [1, H, W, 3] in 0..1 to [1, 3, H, W] in -1..1, as the lpips package takes pictures. */
export function toPlanes({ data, shape }: Tensor): Tensor {
  const [, height = 0, width = 0] = shape
  const size = height * width
  const planes = new Float32Array(3 * size)
  for (let at = 0; at < size; at++) for (let c = 0; c < 3; c++) planes[c * size + at] = 2 * data[3 * at + c]! - 1
  return tensor(planes, [1, 3, height, width])
}

/** The one number that a judge's first output holds. */
export function onlyValue(outputs: Readonly<Record<string, Tensor>>, path: string): number {
  const [name, value] = Object.entries(outputs)[0] ?? []
  if (value?.data.length !== 1)
    throw new Error(
      `${path}: expected one number, received '${name ?? 'nothing'}' of shape [${value?.shape.join(', ') ?? ''}]`,
    )
  return value.data[0]!
}

/**
 * Opens a judge with two float32 inputs of any name, each [1, 3, H, W] in -1..1 (the picture, then its reference), and one
 * number as its first output: what torch.onnx.export makes of lpips.LPIPS.
 */
export async function openPairJudge(name: string, path: string): Promise<Judge> {
  const model = await readOnnx(path)
  const [first, second] = model.inputs
  if (first === undefined || second === undefined || model.inputs.length !== 2)
    throw new Error(
      `${path}: ${name} needs two inputs, pictures [1, 3, H, W] in -1..1; it has ${model.inputs.join(', ') || 'none'}`,
    )
  const session = await openSession(model, 'private', path, 'convolutions')
  return {
    name,
    async judge(picture, reference) {
      return onlyValue(await session.run({ [first]: toPlanes(picture), [second]: toPlanes(reference) }), path)
    },
    release: () => session.release(),
  }
}
