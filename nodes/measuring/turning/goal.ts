/** What a tuned configuration is to reach: less work, or likeness to the picture of the full run. */
import type { Search } from './search.ts'

export const GOALS = ['speed-up', 'PSNR', 'SSIM'] as const
export type GoalName = (typeof GOALS)[number]

/** Figures of one run against the full one. */
export interface Figures {
  /** Work of a plain run over the work of this one. */
  readonly speedUp: number
  /** Decibels and 0..1 against the full run's picture; null where no VAE decodes it. */
  readonly psnr: number | null
  readonly ssim: number | null
}

export interface Goal extends Pick<Search, 'grows' | 'tolerance'> {
  score(figures: Figures): number | null
  text(score: number): string
}

export const goals: Readonly<Record<GoalName, Goal>> = {
  'speed-up': {
    grows: 'with speed',
    tolerance: 0.1,
    score: ({ speedUp }) => speedUp,
    text: (score) => `${score.toFixed(2)}x less work`,
  },
  PSNR: {
    grows: 'against speed',
    tolerance: 0.5,
    score: ({ psnr }) => psnr,
    text: (score) => (score === Infinity ? 'identical pictures' : `PSNR ${score.toFixed(2)} dB`),
  },
  SSIM: {
    grows: 'against speed',
    tolerance: 0.002,
    score: ({ ssim }) => ssim,
    text: (score) => `SSIM ${score.toFixed(4)}`,
  },
}

/** Every figure that is known, for people. */
export function figuresText({ speedUp, psnr, ssim }: Figures): string {
  const known = [goals['speed-up'].text(speedUp), psnr === null ? '' : goals.PSNR.text(psnr)]
  return [...known, ssim === null ? '' : goals.SSIM.text(ssim)].filter(Boolean).join(', ')
}
