/** The sizes that SDXL is told of the picture (Podell et al. 2023, section 2.2): which there are, and what they are where nothing sets them. */
import { sizeOf, tensor, type Tensor } from '../../tensor.ts'
import type { Conditioning } from '../contract.ts'
import { sinusoids } from '../shared/sinusoids.ts'
import type { UnetConfig } from './config.ts'

/** Pixels per latent cell of the autoencoder that these models were trained with. */
const FACTOR = 8
/** What the refiner is told of how good the picture is, unless a node says otherwise. */
const AESTHETIC_SCORE = 6

/** Names in the order in which models take them, by their number: the refiner is told a score instead of the target. */
export const SIZES: Readonly<Record<number, readonly string[]>> = {
  6: ['height', 'width', 'crop_h', 'crop_w', 'target_height', 'target_width'],
  5: ['height', 'width', 'crop_h', 'crop_w', 'aesthetic_score'],
}

/** How many sizes a model takes beside a pooled text of so many values; NaN where that does not come out even. */
function countOf({ each, all }: NonNullable<UnetConfig['sizes']>, pooled: number): number {
  const count = (all - pooled) / each
  return count in SIZES ? count : NaN
}

/** What is wrong with a conditioning for a model that takes sizes. */
export function sizeFaults(sizes: NonNullable<UnetConfig['sizes']>, { pooled }: Conditioning): string[] {
  if (!pooled) return ['the conditioning has no pooled text, which this model takes (SDXL: CLIP-G)']
  const [width = 0] = pooled.shape.slice(-1)
  if (Number.isFinite(countOf(sizes, width))) return []
  const widths = Object.keys(SIZES).map((count) => sizes.all - Number(count) * sizes.each)
  return [`the pooled text is [${pooled.shape.join(', ')}], expected [1, ${widths.join(' or ')}]`]
}

/** Features [1, count each] of the sizes as nodes set them, or else the latent's own [C, H, W] without a crop. */
export function sizeFeatures(
  config: UnetConfig,
  { pooled, extras }: Conditioning,
  [, high = 0, wide = 0]: readonly number[],
): Tensor {
  const { sizes, cosinesFirst, frequencyShift } = config
  if (!sizes || !pooled) throw new Error('U-Net: this model takes no sizes')
  const { each } = sizes
  const height = extras['height'] ?? FACTOR * high
  const width = extras['width'] ?? FACTOR * wide
  const usual: Readonly<Record<string, number>> = {
    ...{ height, width, crop_h: 0, crop_w: 0, target_height: height, target_width: width },
    aesthetic_score: AESTHETIC_SCORE,
  }
  const names = SIZES[countOf(sizes, pooled.shape.at(-1) ?? 0)] ?? []
  const values = names.map((name) => extras[name] ?? usual[name] ?? 0)
  const features = sinusoids(values, { channels: each, intervals: (each >> 1) - frequencyShift, cosinesFirst })
  return tensor(features.data, [1, sizeOf(features.shape)])
}
