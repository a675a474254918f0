/** Pictures of one value, and arithmetic on pictures and numbers alike. */
import { tensor, type Tensor } from '../../../../../diffusion/tensor.ts'
import { int } from '../../../../../nodes/spec.ts'

/** IMAGE [batch, height, width, 3] of one value. */
export const picture = (value: number, [batch, height, width] = [1, 512, 512] as readonly number[]): Tensor => {
  const shape = [batch ?? 1, height ?? 1, width ?? 1, 3]
  return tensor(new Float32Array(shape.reduce((a, b) => a * b)).fill(value), shape)
}

/** `a` times `b`, each a picture or a number; two numbers give a picture. Throws when the pictures differ in size. */
export function times(a: Tensor | number, b: Tensor | number): Tensor {
  if (typeof a === 'number' && typeof b === 'number') return picture(a * b)
  if (typeof a === 'number') return times(b, a)
  if (typeof b === 'number')
    return tensor(
      a.data.map((value) => value * b),
      a.shape,
    )
  if (a.data.length !== b.data.length)
    throw new Error(`the pictures differ in size: [${a.shape.join(', ')}] and [${b.shape.join(', ')}]`)
  return tensor(
    a.data.map((value, i) => value * (b.data[i] ?? 0)),
    a.shape,
  )
}

/** The mean of pictures of one size. */
export function mean(pictures: readonly Tensor[]): Tensor {
  const [first] = pictures
  if (!first) throw new Error('there is nothing to average')
  if (pictures.some(({ data }) => data.length !== first.data.length)) throw new Error('the pictures differ in size')
  const sum = new Float32Array(first.data.length)
  for (const { data } of pictures) for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (data[i] ?? 0)
  return tensor(
    sum.map((value) => value / pictures.length),
    first.shape,
  )
}

/** Sizes as the stub nodes declare them. */
export const sizes = {
  height: int({ default: 512, min: 1, max: 1024 ** 3, step: 1 }),
  width: int({ default: 512, min: 1, max: 4096 ** 3, step: 1 }),
  batch_size: int({ default: 1, min: 1, max: 1024 ** 3, step: 1 }),
}
