/** Which TAESD belongs to which latents, by its author's file names. */
import type { LatentFormat } from '../contract.ts'

/** The author's files by the scaling of the latents that they were trained on: `<name>_encoder`, `<name>_decoder` or `<name>` itself. */
const PUBLISHED = [
  { name: 'taesd', channels: 4, scale: 0.18215 },
  { name: 'taesdxl', channels: 4, scale: 0.13025 },
  { name: 'taesd3', channels: 16, scale: 1.5305 },
  { name: 'taef1', channels: 16, scale: 0.3611 },
] as const

export const TAESD_NAMES: readonly string[] = PUBLISHED.map(({ name }) => name)

/** Which of them stands in for the autoencoder of these latents; null where none was trained on them. */
export const taesdFor = ({ channels, scaling }: Pick<LatentFormat, 'channels' | 'scaling'>): string | null =>
  PUBLISHED.find((one) => one.channels === channels && one.scale === scaling?.scale)?.name ?? null
