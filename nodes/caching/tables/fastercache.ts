/** FasterCache's schedules: the paper's text, the authors' scripts and diffusers' hook, each in its own step numbers. */
import type { Call } from '../../../diffusion/caching/contract.ts'

/** When what is reused, and how. */
export interface Script {
  readonly reusesAttention: (call: Call) => boolean
  /**
   * How far a reused attention goes on along its last change. Of the image tokens: where all attention is reused nobody looks at text
   * tokens, so that a weight of theirs (Mochi's script has one, 0) changes nothing.
   */
  readonly weight: (call: Call) => number
  /** The last two outputs are those computed, or also those estimated between (diffusers). */
  readonly learnsFrom: 'computed' | 'all'
  /** False where attention is reused only while the unconditional branch is not run (diffusers). */
  readonly besideUncond: boolean
  readonly skipsUncond: (call: Call) => boolean
  /** Factors on the low and high frequencies of the branches' difference at a skip. */
  readonly boost: (call: Call) => { readonly low: number; readonly high: number }
  /** Whether the factors of skips in a row multiply, as all code has it, or stay as they are (the paper). */
  readonly compounds: boolean
  /** Radius of the low frequencies, as a share of the shorter side of the latent. */
  readonly radius: number
  readonly forceLast: boolean
}

const always = (weight: number) => (): number => weight

/** What the released scripts have in common. */
const released = {
  learnsFrom: 'computed',
  besideUncond: true,
  compounds: true,
  radius: 1 / 5,
  forceLast: false,
} as const

/** The place of a call in a script of `steps` model calls counted from 1, and the call's own number from 1. */
const placed =
  (steps: number, rule: (at: number, k: number) => boolean) =>
  ({ index, total }: Call): boolean =>
    rule(((index + 1) * steps) / total, index + 1)

const boosts =
  (steps: number, factors: (at: number) => readonly [low: number, high: number]) =>
  ({ index, total }: Call) => {
    const [low, high] = factors(((index + 1) * steps) / total)
    return { low, high }
  }

const openSora: Script = {
  ...released,
  reusesAttention: placed(30, (at, k) => at > 7 && k % 2 === 0),
  weight: ({ index, total }) => (0.9 * (((index + 1) * 30) / total - 7)) / 20,
  skipsUncond: placed(30, (at, k) => at > 11 && k % 5 !== 0),
  boost: boosts(30, (at) => [at <= 25 ? 1.15 : 1, at >= 20 ? 1.15 : 1]),
}

const openSoraPlan: Script = {
  ...released,
  reusesAttention: placed(150, (at, k) => at >= 45 && k % 3 !== 0),
  weight: always(0.3),
  skipsUncond: placed(150, (at, k) => at >= 40 && k % 6 !== 0),
  boost: boosts(150, (at) => (at <= 130 ? [1.1, 1] : [1, 1.2])),
}

const latte: Script = {
  ...released,
  reusesAttention: placed(50, (at, k) => at >= 16 && k % 2 === 0),
  weight: always(0.5),
  skipsUncond: placed(50, (at, k) => at >= 18 && k % 5 !== 0),
  boost: boosts(50, (at) => (at < 45 ? [1.1, 1] : [1, 1.1])),
}

const cogVideoX: Script = {
  ...released,
  reusesAttention: placed(50, (at, k) => at >= 18 && k % 3 !== 0),
  weight: always(0.3),
  skipsUncond: placed(50, (at, k) => at >= 18 && k % 5 !== 0),
  boost: boosts(50, (at) => [at <= 40 ? 1.1 : 1, at >= 30 ? 1.1 : 1]),
}

/** Its code keeps the constant part alone as low frequency at its sizes. */
const vchitect: Script = {
  ...released,
  reusesAttention: placed(100, (at, k) => at > 30 && k % 2 === 0),
  weight: always(0),
  skipsUncond: placed(100, (at, k) => at > 30 && k % 5 !== 0),
  boost: boosts(100, (at) => [at < 80 ? 1.05 : 1, at > 60 ? 1.1 : 1]),
  radius: 1 / 200,
}

/** Counts its 64 calls from 0. */
const mochi: Script = {
  ...released,
  reusesAttention: ({ index, total }) => (index * 64) / total >= 20 && index % 2 === 0,
  weight: ({ index, total }) => Math.max(0.5, (index * 64) / total / 63),
  skipsUncond: ({ index, total }) => (index * 64) / total >= 22 && index % 5 !== 0,
  boost({ index, total }) {
    const at = (index * 64) / total
    return { low: at <= 50 ? 1.15 : 1, high: at >= 30 ? 1.25 : 1 }
  },
  forceLast: true,
}

/** In training timesteps; iterations count from 0. */
const diffusers: Script = {
  ...released,
  reusesAttention: ({ index, timestep }) => timestep < 681 && index % 2 !== 0,
  weight: always(0.5),
  learnsFrom: 'all',
  besideUncond: false,
  skipsUncond: ({ index, timestep }) => timestep < 641 && index % 5 !== 0,
  boost: ({ timestep }) => ({
    low: timestep > 99 && timestep < 901 ? 1.1 : 1,
    high: timestep < 301 ? 1.1 : 1,
  }),
}

/** Share of the run before any reuse of attention; the text gives none, this is the Open-Sora script's. */
const PAPER_START = 7 / 30

/**
 * Section 3.2: attention at every second step, its weight rising from 0 to 1 over the reuse; section 3.3: factors 1 + 0.2 on the low
 * frequencies before t0 and on the high ones from there on, the same at every skip. t0 is half of the run here.
 */
const paper: Script = {
  ...released,
  reusesAttention: ({ index, total }) => index >= PAPER_START * total && index % 2 === 1,
  weight: ({ index, total }) => (index + 1 - PAPER_START * total) / (total - PAPER_START * total),
  skipsUncond: ({ index, total }) => index + 1 > total / 3 && (index + 1) % 5 !== 0,
  boost: ({ index, total }) => (index < total / 2 ? { low: 1.2, high: 1 } : { low: 1, high: 1.2 }),
  compounds: false,
}

export const SCRIPTS = {
  paper,
  official: cogVideoX,
  'official-open-sora': openSora,
  'official-open-sora-plan': openSoraPlan,
  'official-latte': latte,
  'official-vchitect': vchitect,
  'official-mochi': mochi,
  'official-diffusers': diffusers,
} as const
