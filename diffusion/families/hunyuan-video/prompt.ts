/** A prompt as a HunyuanVideo transformer takes it: checked, without the padding behind the text, and with what its mask means. */
import { tensor, zeros, type Tensor } from '../../tensor.ts'
import type { Conditioning, Rows } from '../contract.ts'
import { timeFeatures } from '../shared/sinusoids.ts'
import { textFaults } from '../shared/text-faults.ts'
import { volumeFaults } from '../shared/volumes.ts'
import type { HunyuanConfig } from './config.ts'

/** Distilled guidance when no node sets it, as ComfyUI and diffusers have it. */
const DEFAULT_GUIDANCE = 6
/** Guidance is told in the units of the timestep. */
const GUIDANCE_UNIT = 1000
/** Added to the scores of tokens that are not to be looked at: exp of it is 0 beside any score. */
const NEVER = -1e30

/** Throws one error with all that does not suit the model. */
export function assertFits(
  name: string,
  c: HunyuanConfig,
  { tokens, pooled, mask }: Conditioning,
  latentShape: readonly number[],
): void {
  const faults = [...volumeFaults(latentShape, c.channels, c.patch)]
  faults.push(...textFaults(tokens, c.textWidth))
  if (pooled?.shape[1] !== c.pooledWidth)
    faults.push(`pooled text is ${pooled ? `[${pooled.shape.join(', ')}]` : 'absent'}, expected [1, ${c.pooledWidth}]`)
  if (mask && (mask.data.length !== tokens.shape[1] || !mask.data.some((kept) => kept === 1)))
    faults.push(
      `the mask has ${mask.data.length} values, expected one for each of ${tokens.shape[1]} tokens, some of them 1`,
    )
  if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
}

/** 0 where a token of the refiner may look, a large negative number elsewhere [1, L, L]: at the first token and, from text, at text. */
function hiddenFrom(kept: ArrayLike<number>, length: number): Tensor {
  const out = zeros([1, length, length])
  for (let row = 0; row < length; row++)
    for (let column = 1; column < length; column++)
      if (kept[row] !== 1 || kept[column] !== 1) out.data[row * length + column] = NEVER
  return out
}

/** Mean [1, width] of the tokens that are text. */
function meanOf({ data, shape }: Tensor, kept: ArrayLike<number>): Tensor {
  const [, length = 0, width = 0] = shape
  const sums = new Float64Array(width)
  let count = 0
  for (let token = 0; token < length; token++) {
    if (kept[token] !== 1) continue
    count++
    for (let i = 0; i < width; i++) sums[i]! += data[token * width + i]!
  }
  return tensor(
    Float32Array.from(sums, (sum) => sum / count),
    [1, width],
  )
}

/**
 * Feeds of the text graph, rows for the refiner, and how many tokens go into the blocks. The reference gives padding to all blocks and
 * masks it there; as nothing looks at it, it is left out: the same picture, no mask over the whole video.
 */
export function promptOf(c: HunyuanConfig, { tokens, pooled, mask, extras }: Conditioning) {
  const width = tokens.shape[2] ?? 0
  const kept: ArrayLike<number> = mask?.data ?? new Float32Array(tokens.shape[1] ?? 0).fill(1)
  const count = Array.from(kept).filter((one) => one === 1).length
  const length = Math.max(count, Array.from(kept).lastIndexOf(1) + 1)
  const text = tensor(tokens.data.subarray(0, length * width), [1, length, width])
  const guidance = GUIDANCE_UNIT * (extras['guidance'] ?? DEFAULT_GUIDANCE)
  const rows: Rows = { hidden: hiddenFrom(kept, length), kept: zeros([1, count]) }
  return {
    feeds: {
      ...{ tokens: text, mean: meanOf(text, kept), pooled: pooled! },
      ...(c.guidance ? { guidance: timeFeatures([guidance]) } : {}),
    },
    rows,
    count,
  }
}
