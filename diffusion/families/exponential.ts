/** exp as PyTorch's CPU kernels round it, so that timestep features agree with the reference to the last digit. */

const { fround } = Math
const INVERSE_LN2 = fround(1.442695040888963)
/** ln 2 in two parts, the first short enough that its multiples are exact. */
const [LN2_HIGH, LN2_LOW] = [fround(0.693145751953125), fround(1.428606765330187e-6)]
/** Of s^6, s^5, ... s^2: the minimax polynomial of SLEEF's float32 exp. */
const COEFFICIENTS = [
  0.00019852761761285365, 0.0013930435525345415, 0.008333360776305199, 0.041666485369205475, 0.1666666716337204, 0.5,
].map(fround)

/** a b + c in float32, rounded once: a product of two float32 values is exact in float64. */
const fused = (a: number, b: number, c: number): number => fround(a * b + c)

/**
 * e^x of a float32 x in -80..80, as vectorised PyTorch computes it: SLEEF's expf with an error below 1 ulp (N. Shibata, F. Petrogalli,
 * "SLEEF: A Portable Vectorized Library of C Standard Mathematical Functions", 2020), which is not always the nearest float32.
 * Multiplied by a timestep in the thousands, that last digit shows in the fifth.
 */
export function float32Exp(x: number): number {
  const power = Math.round(fround(x * INVERSE_LN2))
  const s = fused(power, -LN2_LOW, fused(power, -LN2_HIGH, x))
  const tail = COEFFICIENTS.reduce((sum, coefficient) => fused(sum, s, coefficient))
  return fround(1 + fused(fround(s * s), tail, s)) * 2 ** power
}
