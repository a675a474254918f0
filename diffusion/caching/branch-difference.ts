/** What the unconditional prediction has more than the conditional one, and its low and high spatial frequencies once they are asked for. */
import { isFiniteTensor, sub, type Tensor } from '../tensor.ts'
import { lowPass } from './low-pass.ts'

/** uncond - cond at the last evaluation that ran both, its parts from the first skip on, and the factors on them by now. */
export interface Difference {
  readonly whole: Tensor
  readonly parts: { readonly low: Tensor; readonly high: Tensor } | null
  readonly factors: { readonly low: number; readonly high: number }
}

/** Of two predictions; null when it is not finite. */
export function differenceOf(uncond: Tensor, cond: Tensor): Difference | null {
  const whole = sub(uncond, cond)
  if (!isFiniteTensor(whole)) return null
  return { whole, parts: null, factors: { low: 1, high: 1 } }
}

/** `share` is the radius of the low frequencies as a share of the shorter side. */
export function partsOf({ whole, parts }: Difference, share: number): NonNullable<Difference['parts']> {
  if (parts) return parts
  const low = lowPass(whole, Math.floor(Math.min(...whole.shape.slice(-2)) * share))
  return { low, high: sub(whole, low) }
}
