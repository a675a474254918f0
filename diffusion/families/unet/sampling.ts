/** How a U-Net is sampled when no scheduler configuration says it: its noise levels, and whether it predicts the noise or the velocity. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { StoredTensor } from '../../onnx/weights.ts'
import type { DiscreteParametrisation } from '../contract.ts'
import { discrete, type Betas } from '../parametrisation.ts'
import type { NamedWeights } from '../shared/layers.ts'
import type { UnetConfig } from './config.ts'

/** Of all Stable Diffusion models (Rombach et al. 2022, in the released configurations). */
export const STABLE_DIFFUSION_BETAS: Betas = {
  schedule: 'scaled_linear',
  first: 0.00085,
  last: 0.012,
  trainSteps: 1000,
}

/** Values of a text token in Stable Diffusion 2, whose files are of both kinds alike. */
const SECOND_TEXT_WIDTH = 1024
/** Deviation of a norm's biases that tells its models apart, as ComfyUI found: those that predict the velocity lie above. */
const SPREAD = 0.09

/** float16 bits as a number. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023]
  if (exponent === 0) return sign * fraction * 2 ** -24
  return exponent === 31 ? NaN : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** The values of a small tensor; null for types that no such file has. */
function valuesOf({ file, offset, length, dtype }: StoredTensor): readonly number[] | null {
  const bytes = new Uint8Array(length)
  const handle = openSync(file, 'r')
  try {
    readSync(handle, bytes, 0, length, offset)
  } finally {
    closeSync(handle)
  }
  if (dtype === 'F32') return [...new Float32Array(bytes.buffer)]
  if (dtype === 'F16') return [...new Uint16Array(bytes.buffer)].map(half)
  if (dtype === 'BF16')
    return [...new Float32Array(Uint32Array.from(new Uint16Array(bytes.buffer), (b) => b << 16).buffer)]
  return null
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
}

function predictsVelocity({ levels, textWidth }: UnetConfig, weights: NamedWeights): boolean {
  const [finest] = levels
  if (textWidth !== SECOND_TEXT_WIDTH || !finest) return false
  const stack = `up_blocks.${levels.length - 1}.attentions.${finest.up.length - 1}`
  const bias = weights.get(`${stack}.transformer_blocks.0.norm1.bias`)
  const values = bias && valuesOf(bias)
  return values ? deviation(values) > SPREAD : false
}

/** Stable Diffusion 2 by a look at its weights; all others predict the noise unless their file says otherwise. */
export const parametrisationFor = (config: UnetConfig, weights: NamedWeights): DiscreteParametrisation =>
  discrete(predictsVelocity(config, weights) ? 'v' : 'epsilon', STABLE_DIFFUSION_BETAS)
