/** Calibrated masks: tied to model, sampler, steps, shift and guidance; refused for other runs, the closest named; kept in one file. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeMasks } from '../../../bench/mask-file.ts'
import { configure, type RunFacts } from '../../../diffusion/caching/contract.ts'
import { runSigmas } from '../../../diffusion/noise-levels.ts'
import { schedules } from '../../../diffusion/registry.ts'
import { zeros } from '../../../diffusion/tensor.ts'
import calibratedSigmas from '../../../nodes/caching/calibratedsigmas.ts'
import calibrateMask from '../../../nodes/caching/calibratemask.ts'
import {
  calibratedMask,
  MaskTable,
  readMaskText,
  SHIPPED_MASKS,
  type MaskEntry,
} from '../../../nodes/caching/calibration/masks.ts'
import { parseSteps } from '../../../diffusion/caching/masks.ts'
import { stepMask } from '../../../nodes/caching/stepmask.ts'
import { loadRegistry } from '../../../server/engine/registry.ts'
import { decisions, runFake } from '../../diffusion/caching/run.ts'
import { FAKE_LATENT, fakeConditioning, fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { context } from '../context.ts'
import { configured, inputsOf } from './subject.ts'

const levels = (steps: number, shift: number): readonly number[] =>
  runSigmas(schedules.get('simple')!, steps, 1, { kind: 'flow', shift, trainSteps: 1000 })
const shipped = (over: Partial<RunFacts> = {}): RunFacts => ({
  ...{ model: 'heddle-flux-mini', sampler: 'euler', guidance: 3, sigmas: levels(30, 1), predicts: 'flow' },
  ...over,
})
const find = (run: RunFacts | undefined, share = 0.33, text = '') => calibratedMask('Method', text, share, run)

describe('the shipped masks', () => {
  it.each([20, 30, 50])('fit runs of %i steps at shift 1 and 3, at a quarter, a third, 0.42 and a half', (steps) => {
    for (const shift of [1, 3])
      for (const share of [0.25, 1 / 3, 0.42, 0.5]) {
        const mask = find(shipped({ sigmas: levels(steps, shift) }), share)
        expect(Math.abs(mask.length - share * steps)).toBeLessThanOrEqual(1)
        expect([mask[0], mask.at(-1)! < steps, new Set(mask).size]).toEqual([0, true, mask.length])
        expect([...mask].sort((a, b) => a - b)).toEqual(mask)
      }
  })

  it('lie close together at the start of a run without shift, where those of shift 3 do not', () => {
    expect(find(shipped())[2]).toBe(2)
    expect(find(shipped({ sigmas: levels(30, 3) }))[2]).toBeGreaterThan(3)
  })

  it.each([
    [{ sigmas: levels(28, 1) }, /closest is for euler, 30 simple steps, shift 1, guidance 3, but the run has 28 steps/],
    [{ sigmas: levels(30, 2.9) }, /closest is for euler, 30 simple steps, shift 3, guidance 3, but its noise levels/],
    [{ guidance: 5 }, /30 simple steps, shift 1, guidance 3, but the guidance 5/],
    [{ sampler: 'heun', sigmas: levels(20, 3) }, /20 simple steps, shift 3, guidance 3, but the sampler is heun/],
    [{ model: 'flux1-dev' }, /no calibrated mask of the model 'flux1-dev', only of heddle-flux-mini/],
  ] as const)('are refused for %j', (over, message) => {
    expect(() => find(shipped(over))).toThrow(message)
    expect(() => find(shipped(over))).toThrow(/CalibrateMask/)
  })

  it('need to know the run', () => expect(() => find(undefined)).toThrow(/needs to know the run/))

  it('name what they were found on', () => {
    const [table] = SHIPPED_MASKS
    expect(table!.entries.every(({ runs, latent }) => runs >= 12 && latent.length === 3)).toBe(true)
  })
})

const model = fakeModel(fakeTransformer())
const calibrate = async (changes: object = {}) => {
  const { nodes } = await loadRegistry()
  const settings = { steps: 12, cfg: 3, count: 5, runs: 2, weight: 0, ...changes }
  const links = {
    model,
    positive: [fakeConditioning(1)],
    negative: [fakeConditioning(2)],
    latent_image: { samples: zeros([1, ...FAKE_LATENT]) },
  }
  const values = inputsOf(nodes.get('CalibrateMask')!, { ...settings, ...links })
  return calibrateMask.run(values as Parameters<typeof calibrateMask.run>[0], context(tmpdir()))
}

describe('CalibrateMask', () => {
  it('gives a calibration that ForecastCache and StepMask take for the same run, and refuse for another', async () => {
    const { calibration, steps } = await calibrate()
    const expected = Array.from({ length: 12 }, (_, k) => (parseSteps(steps).steps.includes(k) ? 'C' : '.')).join('')
    const { nodes } = await loadRegistry()
    for (const [name, settings] of [
      ['ForecastCache', { when: 'mask', mask: 'calibrated' }],
      ['StepMask', { mode: 'calibrated', force_last: false }],
    ] as const) {
      const cache = await configured(nodes.get(name)!, { ...settings, calibration })
      expect(decisions(await runFake({ cache, steps: 12 }))).toBe(expected)
      const message = new RegExp(`${name}: no calibrated mask .* closest is for euler, 12 simple steps`)
      await expect(runFake({ cache, steps: 13 })).rejects.toThrow(message)
      await expect(runFake({ cache, steps: 12, guidance: 2 })).rejects.toThrow(/guidance 2/)
      await expect(runFake({ cache, steps: 12, samplerName: 'ddim' })).rejects.toThrow(/the sampler is ddim/)
      await expect(runFake({ cache, steps: 12, model: { ...model, name: 'other' } })).rejects.toThrow(/'other'/)
    }
  })

  it('finds other steps for runs that are corrected', async () => {
    const [on, off] = [await calibrate({ corrector: 'on' }), await calibrate({ corrector: 'off' })]
    expect(on.steps).not.toBe(off.steps)
    expect((await calibrate()).steps).toBe(off.steps)
    expect((await calibrate({ count: 10 })).steps).toBe((await calibrate({ count: 10, corrector: 'on' })).steps)
  })

  it('says what is wrong with a text that is none', () => {
    expect(() => readMaskText('{"method":"TeaCache"}')).toThrow(/expected one of CalibrateMask/)
  })
})

describe('the file of masks', () => {
  const entry = (over: Partial<MaskEntry>): MaskEntry => ({
    ...{ sampler: 'euler', scheduler: 'simple', steps: 2, shift: 1, guidance: 3, runs: 1, latent: [1, 1, 1] },
    ...{ sigmas: [1, 0.5, 0], masks: [{ steps: [0], error: 1 }] },
    ...over,
  })

  it('takes masks of the same run out for new ones, keeps the others, and refuses another model', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-masks-'))
    const file = join(folder, 'masks', 'm.json')
    await writeMasks(file, 'm', [entry({}), entry({ shift: 3 })])
    await writeMasks(file, 'm', [entry({ masks: [{ steps: [0, 1], error: 0 }] })])
    const { entries } = MaskTable.parse(JSON.parse(await readFile(file, 'utf8')))
    expect(entries.map(({ shift, masks }) => [shift, masks[0]!.steps])).toEqual([
      [1, [0, 1]],
      [3, [0]],
    ])
    await expect(writeMasks(file, 'n', [])).rejects.toThrow(/masks of m, not of n/)
    await rm(folder, { recursive: true })
  })
})

it('StepMask without a mask that fits refuses before anything runs', async () => {
  const values = { mode: 'calibrated', calibration: '', share: 0.3 } as const
  const { nodes } = await loadRegistry()
  const params = { ...inputsOf(nodes.get('StepMask')!, {}), ...values } as Parameters<typeof stepMask.start>[0]
  const transformer = fakeTransformer()
  await expect(runFake({ transformer, cache: configure(stepMask, params) })).rejects.toThrow(/calibrated mask/)
  expect(transformer.runs).toEqual([])
})

describe('CalibratedSigmas', () => {
  it('are the levels that the mask computes at, and the last', async () => {
    const { calibration, steps } = await calibrate()
    const all = runSigmas(schedules.get('simple')!, 12, 1, model.parametrisation)
    const values = { model, steps: 12, cfg: 3, scheduler: 'simple', share: 0.4, calibration }
    const { SIGMAS } = await calibratedSigmas.run(values, context(tmpdir()))
    expect(SIGMAS).toEqual([...parseSteps(steps).steps.map((step) => all[step]!), 0])
    await expect(async () => calibratedSigmas.run({ ...values, cfg: 4 }, context(tmpdir()))).rejects.toThrow(
      /guidance 4/,
    )
  })
})
