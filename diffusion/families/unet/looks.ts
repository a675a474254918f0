/** How a latent cell of Stable Diffusion looks: linear maps to RGB in 0..1, halved from those that ComfyUI previews with. */
import type { LatentFormat } from '../contract.ts'

type Look = NonNullable<LatentFormat['rgb']>

/** From a map to -1..1. */
const halved = (weights: Look['weights'], bias: readonly number[]): Look => ({
  weights: weights.map((row) => row.map((value) => value / 2)),
  bias: bias.map((value) => value / 2 + 0.5),
})

export const LOOKS = {
  first: halved(
    [
      [0.3512, 0.2297, 0.3227],
      [0.325, 0.4974, 0.235],
      [-0.2829, 0.1762, 0.2721],
      [-0.212, -0.2616, -0.7177],
    ],
    [0, 0, 0],
  ),
  xl: halved(
    [
      [0.3651, 0.4232, 0.4341],
      [-0.2533, -0.0042, 0.1068],
      [0.1076, 0.1111, -0.0362],
      [-0.3165, -0.2492, -0.2188],
    ],
    [0.1084, -0.0175, -0.0011],
  ),
}
