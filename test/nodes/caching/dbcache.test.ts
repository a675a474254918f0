/** DBCache against cache-dit's control flow: its gates in order, its counters, both ends of the model, and an oracle on the fake model. */
import { describe, expect, it } from 'vitest'
import { configure, type Denoiser, type Evaluated, type Hidden } from '../../../diffusion/caching/contract.ts'
import { copy, tensor, type Tensor } from '../../../diffusion/tensor.ts'
import node, { dbCache, type DbCacheParams } from '../../../nodes/caching/dbcache.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { callAt, scripted } from './scripted.ts'
import { eulerLoop, meanAbs, minus, plus, straight, times, type Numbers } from './straight.ts'

const knobs: DbCacheParams = {
  preset: 'custom',
  enabled: true,
  threshold: 0.1,
  front_blocks: 2,
  back_blocks: 0,
  warm_up_steps: 0,
  max_in_a_row: 0,
  counting: 'plain',
  max_skips: 0,
  budget: 0,
  computed_steps: '',
  mask_policy: 'dynamic',
  force_last: false,
  start: 0,
  end: 1,
  forecast: 0,
  forecast_axis: 'calls',
  forecast_reach: 0,
}

const one = (value: number): Tensor => tensor(Float32Array.of(value), [1, 1, 1])
const depth = 12

/** Twelve blocks: the front adds what the script says to an image of 1, the middle 10 (text 5), the back a tenth of each. */
function model(fronts: Numbers, back: number): Denoiser & { readonly ran: string[] } {
  const ran: string[] = []
  const change = ({ image, text, context }: Hidden, i: number, t: number): Hidden => ({
    image: one(image.data[0]! + i),
    text: one(text!.data[0]! + t),
    context,
  })
  const base = scripted({})
  return {
    ...base,
    facts: { ...base.facts, depth, cuts: new Set(Array.from({ length: depth + 1 }, (_, i) => i)) },
    ran,
    embed: (call) => Promise.resolve({ image: one(1), text: one(0), context: call.index }),
    blocks(hidden, from, to) {
      ran.push(`${from}-${to}`)
      const index = hidden.context as number
      if (from === 0) return Promise.resolve(change(hidden, fronts[index]!, 1))
      if (to === depth && back > 0)
        return Promise.resolve(change(hidden, 0.1 * (hidden.image.data[0]! + hidden.text!.data[0]!), 0))
      return Promise.resolve(change(hidden, 10 * (index + 1), 5 * (index + 1)))
    },
    head: ({ image }) => Promise.resolve(copy(image)),
  }
}

async function play(fronts: Numbers, settings: Partial<DbCacheParams> = {}) {
  const params = { ...knobs, ...settings }
  const denoiser = model(fronts, params.back_blocks)
  const evaluate = configure(dbCache, params).bind(denoiser.facts)()
  const answers: Evaluated[] = []
  for (let index = 0; index < fronts.length; index++)
    answers.push((await evaluate(callAt(index, fronts.length), denoiser)).get('cond')!)
  const letters = answers.map(({ trace }) => (trace.decision === 'skipped' ? 'S' : 'C')).join('')
  return { answers, letters, ran: denoiser.ran }
}

const still = Array<number>(9).fill(4)

describe("cache-dit's gates", () => {
  it.each([
    ['cache-dit', 2, 'CSSCSSCSS'],
    ['cache-dit', 1, 'CSCSSCSSC'],
    ['cache-dit', 3, 'CSSSCSSSC'],
    ['plain', 2, 'CSSCSSCSS'],
    ['plain', 1, 'CSCSCSCSC'],
  ] as const)('counting %s, at most %i in a row: %s', async (counting, limit, expected) => {
    expect((await play(still, { counting, max_in_a_row: limit })).letters).toBe(expected)
  })

  it("cache-dit's counter goes on after a drift that was too large, the plain one does not", async () => {
    // Drift computes at 2; the rows before and after are of two.
    const fronts = [4, 4, 8, 8, 8, 8]
    expect((await play(fronts, { max_in_a_row: 2 })).letters).toBe('CSCSSC')
    expect((await play(fronts, { max_in_a_row: 2, counting: 'cache-dit' })).letters).toBe('CSCSSC')
    expect((await play([4, 4, 8, 8, 16, 16, 16], { max_in_a_row: 2 })).letters).toBe('CSCSCSS')
    const longer = [4, 4, 4, 8, 8, 8]
    expect((await play(longer, { max_in_a_row: 3 })).letters).toBe('CSSCSS')
    expect((await play(longer, { max_in_a_row: 2, counting: 'cache-dit' })).letters).toBe('CSSCSS')
    expect((await play(longer, { max_in_a_row: 3, counting: 'cache-dit' })).letters).toBe('CSSCSS')
  })

  it('skips no more than so many in a run', async () => {
    expect((await play(still, { max_skips: 3 })).letters).toBe('CSSSCCCCC')
  })

  it('computes to the end once the drifts measured add up to the budget, which no computation gives back', async () => {
    // Drifts of 0.05, 0.1, 0.15 (computes), then 0: 0.3 in all.
    const fronts = [20, 21, 22, 23, 23, 23, 23]
    const settings = { threshold: 0.12, budget: 0.29 }
    const { letters, answers } = await play(fronts, settings)
    expect(letters).toBe('CSSCCCC')
    expect(answers[4]!.trace).toEqual({ decision: 'full', forced: 'limit' })
    expect((await play(fronts, { ...settings, budget: 0.31 })).letters).toBe('CSSCSSS')
  })

  it('a mask computes its steps; at the others the drift decides, or nothing does', async () => {
    const fronts = [4, 4, 4, 8, 8, 8]
    expect((await play(fronts, { computed_steps: '0,2' })).letters).toBe('CSCCSS')
    expect((await play(fronts, { computed_steps: '0,2', mask_policy: 'static' })).letters).toBe('CSCSSS')
    expect((await play(fronts, { computed_steps: '0, 4-5', mask_policy: 'static', max_in_a_row: 1 })).letters).toBe(
      'CSSSCC',
    )
  })

  it('warm-up counts evaluations; a threshold of 1 skips unmeasured, one equal to the drift computes', async () => {
    expect((await play(still, { warm_up_steps: 3 })).letters).toBe('CCCSSSSSS')
    const wild = await play([4, 40, 400], { threshold: 1 })
    expect(wild.letters).toBe('CSS')
    expect(wild.answers[1]!.trace).toEqual({ decision: 'skipped' })
    expect((await play([4, 5], { threshold: 0.25 })).letters).toBe('CC')
    expect((await play([4, 5], { threshold: 0.26 })).letters).toBe('CS')
  })

  it('window and last evaluation', async () => {
    expect((await play(still, { force_last: true })).letters).toBe('CSSSSSSSC')
    expect((await play(still.slice(1), { start: 0.25, end: 0.5 })).letters).toBe('CCSSSCCC')
  })
})

describe('the two ends', () => {
  it('runs front and back at every evaluation, and the middle where it is computed', async () => {
    const { ran } = await play([4, 4, 8], { front_blocks: 3, back_blocks: 4 })
    expect(ran).toEqual(['0-3', '3-8', '8-12', '0-3', '8-12', '0-3', '3-8', '8-12'])
  })

  it('gives the back blocks the tokens of both streams', async () => {
    const { answers } = await play([4, 4.2], { front_blocks: 3, back_blocks: 4 })
    // Image 1 + 4 + 10, text 1 + 5; then the same additions on the tokens of now.
    expect(answers[0]!.prediction.data[0]).toBeCloseTo(15 + 0.1 * (15 + 6), 5)
    expect(answers[1]!.prediction.data[0]).toBeCloseTo(15.2 + 0.1 * (15.2 + 6), 5)
  })

  it('forecasts both streams', async () => {
    const { answers, letters } = await play([4, 8, 8], { front_blocks: 3, back_blocks: 4, forecast: 1 })
    expect(letters).toBe('CCS')
    // The middle added 10, then 20: 30 next; to the text 5, 10, 15.
    expect(answers[2]!.prediction.data[0]).toBeCloseTo(39 + 0.1 * (39 + 16), 5)
  })
})

describe('presets', () => {
  const long = Array<number>(16).fill(4)

  it.each([
    ['official', 'CCCCCCCCSSSSSSSS', '0-8'],
    ['official-fast', 'CCCCSSSSCSSSSCSS', '0-4'],
    ['official-taylorseer', 'CCCCCCCCSSSSSSSS', '0-8'],
  ] as const)('%s', async (preset, expected, front) => {
    const { letters, ran } = await play(long, { preset })
    expect(letters).toBe(expected)
    expect(ran[0]).toBe(front)
  })

  it.each([
    ['official', 0.079, 0.081],
    ['official-fast', 0.119, 0.121],
  ] as const)('%s has its own threshold', async (preset, below, above) => {
    const at = async (drift: number) => (await play([...Array<number>(9).fill(4), 4 * (1 + drift)], { preset })).letters
    expect([(await at(below)).at(-1), (await at(above)).at(-1)]).toEqual(['S', 'C'])
  })

  it('official-taylorseer forecasts with slopes from the third evaluation on', async () => {
    const { answers } = await play(long, { preset: 'official-taylorseer' })
    // The middle adds 10 more each time it runs, 80 at evaluation 7.
    expect(answers.slice(8, 10).map(({ prediction }) => prediction.data[0])).toEqual([95, 105])
  })

  it('are refused by a model that is not deeper', () => {
    const { facts } = scripted({})
    expect(() => configure(dbCache, { ...knobs, preset: 'official' }).bind(facts)).toThrow(/8 front.*5 blocks.*custom/)
    expect(() => configure(dbCache, { ...knobs, front_blocks: 3, back_blocks: 2 }).bind(facts)).toThrow(/back_blocks/)
    expect(() => configure(dbCache, { ...knobs, preset: 'official', enabled: false }).bind(facts)).not.toThrow()
  })
})

describe('what cache-dit leaves open', () => {
  it('a front that adds nothing, or no number, computes', async () => {
    const { letters, answers } = await play([0, 0, 4, NaN, 4, 4])
    expect(letters).toBe('CCCCCS')
    expect(answers[1]!.trace.forced).toBe('non-finite')
  })

  it('says what is wrong with a list and a window', () => {
    expect(node.validate?.({ computed_steps: '0,x', start: 0.6, end: 0.4 })).toEqual({
      computed_steps: expect.stringContaining("'x'") as unknown,
      end: expect.stringContaining('0.6') as unknown,
    })
    expect(node.validate?.({ computed_steps: '', start: 0, end: 1 })).toBeUndefined()
  })
})

/** The method in straight lines over one branch. */
async function oracle(steps: number, front: number, back: number, warmUp: number, inARow: number, threshold: number) {
  const fake = await straight()
  let [decided, row] = ['', 0]
  let reference: Numbers = []
  let [image, text]: [Numbers, Numbers] = [[], []]
  let [imageSlope, textSlope]: [Numbers | null, Numbers | null] = [null, null]
  let at = 0
  const latent = await eulerLoop(steps, 1n, async (x, sigma, k) => {
    const input = await fake.embed(x, sigma)
    const first = await fake.blocks(input, 0, front)
    const change = minus(first.image, input.image)
    const similar = k >= warmUp && row < inARow && meanAbs(minus(reference, change)) / meanAbs(reference) < threshold
    if (similar) {
      decided += '.'
      row++
      const guess = {
        ...first,
        image: plus(plus(first.image, image), times(k - at, imageSlope!)),
        text: plus(plus(first.text, text), times(k - at, textSlope!)),
      }
      return fake.head(await fake.blocks(guess, 8 - back, 8))
    }
    decided += 'C'
    row = 0
    reference = change
    const after = await fake.blocks(first, front, 8 - back)
    const [newImage, newText] = [minus(after.image, first.image), minus(after.text, first.text)]
    if (k > 0)
      [imageSlope, textSlope] = [times(1 / (k - at), minus(newImage, image)), times(1 / (k - at), minus(newText, text))]
    ;[image, text, at] = [newImage, newText, k]
    return fake.head(await fake.blocks(after, 8 - back, 8))
  })
  return { decided, latent }
}

describe('against an oracle on the fake model', () => {
  it.each([
    [1, 0, 2, 3, 0.15],
    [3, 2, 4, 2, 0.2],
    [2, 1, 2, 9, 0.3],
  ])('F%i B%i W%i MC%i R%d with a forecast of order 1', async (front, back, warmUp, inARow, threshold) => {
    const expected = await oracle(24, front, back, warmUp, inARow, threshold)
    const settings = { front_blocks: front, back_blocks: back, warm_up_steps: warmUp, max_in_a_row: inARow, threshold }
    const cache = configure(dbCache, { ...knobs, ...settings, forecast: 1 })
    const run = await runFake({ cache, steps: 24, guidance: 1 })
    expect(decisions(run)).toBe(expected.decided)
    expect(expected.decided).toMatch(/^C.*\..*C/)
    run.samples.data.forEach((value, i) => expect(value).toBeCloseTo(expected.latent[i]!, 4))
  })
})
