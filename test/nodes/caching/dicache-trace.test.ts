/** DiCache against the control flow of the three published scripts, with values computed by hand in float64. */
import { describe, expect, it } from 'vitest'
import { configure, type Denoiser, type Evaluated, type Hidden } from '../../../diffusion/caching/contract.ts'
import node, { dicache } from '../../../nodes/caching/dicache.ts'
import { callAt, knobs, play, scripted, type Scene } from './scripted.ts'

const letters = (answers: readonly Evaluated[]): string =>
  answers.map(({ trace }) => ({ full: 'F', resumed: 'R', skipped: '.', partial: 'p' })[trace.decision]).join('')
const values = (answers: readonly Evaluated[]): number[][] => answers.map(({ prediction }) => [...prediction.data])
const near = (value: number): unknown => expect.closeTo(value, 9)
const scene = (x: number, p: number, y?: number): Scene => ({ x: [x], p: [p], ...(y === undefined ? {} : { y: [y] }) })
/** Scripts' settings that no preset has on so short a run are reached through the knobs. */
const flux = (threshold: number, warm_up: number) => ({ threshold, warm_up })

/** Eight evaluations: full, full, three skips, a refresh, two more. */
const long = (last?: number): Scene[] => [
  scene(4, 8, 14),
  scene(4, 10, 24),
  scene(4, 12),
  scene(4, 12.5),
  scene(4, 13),
  scene(4, 16.25, 44),
  scene(4, 17),
  scene(4, 17.5, last),
]

describe('the FLUX script', () => {
  it('sums drift between neighbours, keeps the sum over skips, clears it at a refresh, and computes the last', async () => {
    const { answers } = await play(long(60), flux(0.3, 0.125))
    expect(letters(answers)).toBe('FF...R.F')
    expect(answers.map(({ trace }) => trace.forced)).toEqual([
      'first',
      'warm-up',
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      'last',
    ])
    const drifts = [0.2, 0.5 / 12, 0.04, 0.25, 0.75 / 16.25]
    expect(answers.slice(2, 7).map(({ trace }) => trace.drift)).toEqual(drifts.map(near))
    const sums = [0.2, 0.2 + 0.5 / 12, 0.24 + 0.5 / 12, 0.49 + 0.5 / 12, 0.75 / 16.25]
    expect(answers.slice(2, 7).map(({ trace }) => trace.accumulated)).toEqual(sums.map(near))
    expect(values(answers).flat()).toEqual([14, 24, 29, 29, 29, 44, expect.closeTo(46.4, 5), 60])
  })

  it('takes the gain from computed evaluations only, limited to 1.5', async () => {
    const { answers } = await play(long(60), flux(0.3, 0.125))
    expect(answers.map(({ trace }) => trace.gain)).toEqual([
      undefined,
      undefined,
      1.5,
      1.5,
      1.5,
      undefined,
      expect.closeTo(1.12, 9),
      undefined,
    ])
  })

  it('goes on from the probe: its blocks run once per evaluation', async () => {
    const { ran } = await play(long(60), flux(0.3, 0.125))
    expect(ran.filter((range) => range.startsWith('0-'))).toEqual(Array(8).fill('0-1'))
    expect(ran.filter((range) => !range.startsWith('0-'))).toEqual(Array(4).fill('1-5'))
  })

  it('computes when the sum equals the threshold', async () => {
    const ladder = [64, 72, 81, 91.125, 102.515625, 115.330078125].map((p, i) => scene(1, p, i + 2))
    const { answers } = await play(ladder, flux(0.25, 0.17))
    expect(letters(answers)).toBe('FF.R.F')
  })

  it('reuses the one residual it has, and measures probe - input when told', async () => {
    const pairs: Scene[] = [
      { x: [2, -2], p: [3, -1], y: [6, 2] },
      { x: [2.5, -1.5], p: [3.5, -1], y: [0, 0] },
      { x: [3, -1], p: [3.75, -1], y: [0, 0] },
      { x: [3, 0], p: [4, 1], y: [8, 5] },
    ]
    const one = await play(pairs, flux(0.4, 0))
    expect(letters(one.answers)).toBe('F..F')
    expect(values(one.answers)).toEqual([
      [6, 2],
      [6.5, 2.5],
      [7, 3],
      [8, 5],
    ])
    expect(one.answers[2]!.trace.accumulated).toBeCloseTo(0.125 + 0.25 / 4.5, 9)
    const minus = await play(pairs, { ...flux(0.08, 0), drift: 'probe - input' })
    expect(letters(minus.answers)).toBe('FRRF')
    expect(minus.answers.slice(1, 3).map(({ trace }) => trace.drift)).toEqual([
      expect.closeTo(0.125, 9),
      expect.closeTo(0.25 - 0.25 / 4.5, 9),
    ])
  })

  it('keeps as many computed evaluations as the history says', async () => {
    const moved = (p: number) => [scene(0, 1, 10), scene(0, 2, 20), scene(0, 3, 30), scene(0, p), scene(0, 3, 30)]
    const skipped = async (history: number, p: number) => {
      const { answers } = await play(moved(p), { ...flux(0.3, 0.4), history })
      return [letters(answers), answers[3]!.prediction.data[0], answers[3]!.trace.gain]
    }
    expect(await skipped(1, 3.25)).toEqual(['FFF.F', 30, undefined])
    expect(await skipped(2, 3.25)).toEqual(['FFF.F', 32.5, 1.25])
    // Going back is seen only by the fit over three.
    expect(await skipped(2, 2.5)).toEqual(['FFF.F', 30, 1])
    expect(await skipped(3, 2.5)).toEqual(['FFF.F', expect.closeTo(25, 4), expect.closeTo(1.5, 4)])
  })

  it.each([
    [4, [0, 3]],
    [5, [0, 1, 4]],
    [8, [0, 1, 7]],
    [10, [0, 1, 2, 9]],
    [20, [0, 1, 2, 3, 4, 19]],
    [28, [0, 1, 2, 3, 4, 5, 27]],
    [30, [0, 1, 2, 3, 4, 5, 6, 29]],
    [50, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 49]],
  ])('preset official-flux computes by force, of %i evaluations, just %j', async (total, forced) => {
    expect(await forcedOf('official-flux', total)).toEqual(forced)
  })
})

/** Evaluations that a preset forces when nothing ever moves. */
async function forcedOf(preset: 'official-flux' | 'official-hunyuan' | 'paper', total: number): Promise<number[]> {
  const still = Array.from({ length: total }, () => scene(1, 2, 3))
  const { answers } = await play(still, { preset })
  return answers.flatMap(({ trace }, i) => (trace.forced === undefined ? [] : [i]))
}

describe('the HunyuanVideo script', () => {
  const ladder = (ys: number[]) => [64, 72, 81, 91.125, 102.515625, 115.330078125].map((p, i) => scene(1, p, ys[i]))

  it.each([
    [4, 1],
    [5, 1],
    [8, 1],
    [10, 2],
    [20, 4],
    [28, 5],
    [30, 6],
    [50, 10],
  ])(
    'preset official-hunyuan computes by force, of %i evaluations, the first %i, not the last',
    async (total, count) => {
      expect(await forcedOf('official-hunyuan', total)).toEqual(Array.from({ length: count }, (_, i) => i))
    },
  )

  it.each([
    ['official-hunyuan', 10, 11, 'FF.'],
    ['official-wan', 25, 27, 'FFR'],
    ['official-flux', 10, 14, 'FFFR'],
  ] as const)('a sum that equals the threshold: %s, probe from %i to %i', async (preset, from, to, expected) => {
    const steps = Array.from(expected).map((_, i) => scene(1, i === expected.length - 1 ? to : from, 3))
    const { answers } = await play(steps, { preset }, 10)
    expect(letters(answers)).toBe(expected)
  })

  it('paper: a sum equal to the threshold skips, the gain is not limited, only the first evaluation is forced', async () => {
    const scenes = ladder([2, 3, 4, 5, 6, 7])
    const { answers } = await play(scenes, { preset: 'paper', threshold: 0.25 })
    expect(letters(answers)).toBe('F..R..')
    expect(answers[5]!.trace.gain).toBeCloseTo((115.330078125 - 64) / (91.125 - 64), 9)
    expect(answers[5]!.trace.gain).toBeGreaterThan(1.5)
    expect(await forcedOf('paper', 10)).toEqual([0])
  })

  it('paper: takes the threshold that the paper names for the family', async () => {
    const scenes = [scene(1, 10, 2), scene(1, 13, 2), scene(1, 13, 2)]
    const decided = async (family: string) => letters((await play(scenes, { preset: 'paper' }, 3, family)).answers)
    expect(await decided('flux')).toBe('F..')
    expect(await decided('wan')).toBe('FR.')
  })
})

describe('the WAN script', () => {
  it('counts the warm-up over both branches in turn: an odd share gives cond one more', async () => {
    const still = Array.from({ length: 8 }, () => scene(1, 2, 3))
    const denoiser = scripted({ cond: still, uncond: still })
    const evaluate = configure(dicache, { ...knobs, preset: 'official-wan' }).bind(denoiser.facts)()
    const forced = { cond: 0, uncond: 0 }
    for (let index = 0; index < 8; index++)
      for (const [branch, { trace }] of await evaluate(callAt(index, 8, ['cond', 'uncond']), denoiser))
        if (trace.forced === 'warm-up' || trace.forced === 'first') forced[branch]++
    // floor(0.2 * 16) = 3 calls.
    expect(forced).toEqual({ cond: 2, uncond: 1 })
  })

  it('lets the gain reach 2 and computes the last evaluation only when the drift says so', async () => {
    const scenes = [scene(4, 80, 14), scene(4, 82, 24), scene(4, 84), scene(4, 84), scene(4, 86), scene(4, 86)]
    const { answers } = await play(scenes, { preset: 'official-wan' }, 10)
    expect(letters(answers)).toBe('FF....')
    expect(answers.slice(2).map(({ trace }) => trace.gain)).toEqual([2, 2, 2, 2])
    expect(values(answers)[5]).toEqual([34])
  })
})

describe('what the scripts leave open', () => {
  it('a probe that is not finite computes, is not remembered, and poisons nothing', async () => {
    const scenes = [scene(4, 8, 14), scene(4, 8), scene(4, NaN, 20), scene(4, 8, 14), scene(4, 8), scene(4, 8, 14)]
    const { answers } = await play(scenes, flux(0.3, 0))
    expect(letters(answers)).toBe('F.FF.F')
    expect(answers.map(({ trace }) => trace.forced)).toEqual([
      'first',
      undefined,
      'non-finite',
      'no-anchor',
      undefined,
      'last',
    ])
    expect(values(answers)[4]).toEqual([14])
  })

  it('a probe of zeros computes: its relative change means nothing', async () => {
    const { answers } = await play([scene(4, 0, 5), scene(4, 0, 5), scene(4, 0, 5)], flux(0.3, 0))
    expect(answers[1]!.trace.forced).toBe('non-finite')
  })

  it('buffers that the runtime writes again later are not relied on', async () => {
    const scenes = long(60)
    const untouched = await play(scenes, { ...flux(0.3, 0.125), drift: 'probe - input' })
    const denoiser = scripted({ cond: scenes })
    const handedOut: Float32Array[] = []
    const lend = (hidden: Hidden): Hidden => {
      handedOut.push(hidden.image.data)
      return hidden
    }
    const lending: Denoiser = {
      ...denoiser,
      embed: async (...given) => lend(await denoiser.embed(...given)),
      blocks: async (...given) => lend(await denoiser.blocks(...given)),
    }
    const params = { ...knobs, ...flux(0.3, 0.125), drift: 'probe - input' as const }
    const evaluate = configure(dicache, params).bind(denoiser.facts)()
    const decided = []
    for (let index = 0; index < 8; index++) {
      const answer = (await evaluate(callAt(index, 8), lending)).get('cond')!
      decided.push({ trace: answer.trace, values: [...answer.prediction.data] })
      handedOut.splice(0).forEach((data) => data.fill(-7))
    }
    expect(decided).toEqual(untouched.answers.map(({ trace, prediction }) => ({ trace, values: [...prediction.data] })))
  })

  it('a branch that sat out an evaluation computes before it compares again', async () => {
    const still = Array.from({ length: 6 }, () => scene(1, 2, 3))
    const denoiser = scripted({ cond: still, uncond: still })
    const evaluate = configure(dicache, { ...knobs, warm_up: 0 }).bind(denoiser.facts)()
    await evaluate(callAt(0, 6, ['cond', 'uncond']), denoiser)
    await evaluate(callAt(1, 6, ['cond']), denoiser)
    const answers = await evaluate(callAt(2, 6, ['cond', 'uncond']), denoiser)
    expect(answers.get('cond')!.trace.decision).toBe('skipped')
    expect(answers.get('uncond')!.trace.forced).toBe('no-anchor')
  })

  it('more calls than were announced go on without a reset', async () => {
    const still = Array.from({ length: 12 }, () => scene(1, 2, 3))
    const { answers } = await play(still, flux(0.3, 0), 8)
    expect(letters(answers)).toBe('F......F....')
  })

  it('a new run starts from nothing', async () => {
    const denoiser = scripted({ cond: long(60) })
    const start = configure(dicache, { ...knobs, ...flux(0.3, 0.125) }).bind(denoiser.facts)
    const first = start()
    for (let index = 0; index < 4; index++) await first(callAt(index, 8), denoiser)
    const again = (await start()(callAt(0, 8), denoiser)).get('cond')!
    expect(again.trace).toEqual({ decision: 'full', forced: 'first' })
  })

  it('a window that ends before it starts is a fault of the input', () => {
    expect(node.validate?.({ start: 0.6, end: 0.4 })).toEqual({ end: expect.stringContaining('0.6') as unknown })
    expect(node.validate?.({ start: 0.4, end: 0.6 })).toBeUndefined()
    expect(node.validate?.({})).toBeUndefined()
  })

  it('a probe as deep as the model is refused', () => {
    const { facts } = scripted({})
    expect(() => configure(dicache, { ...knobs, probe_depth: 5 }).bind(facts)).toThrow(/probe_depth 5.*5 blocks/)
    expect(() => configure(dicache, { ...knobs, probe_depth: 5, enabled: false }).bind(facts)).not.toThrow()
  })
})
