/** Schedules and solvers match diffusers' in every case, and what is not there is listed as such. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkCase } from '../../../diffusion/check/index.ts'
import { discreteSchedule } from '../../../diffusion/check/shared/discrete-schedule.ts'
import { flowSchedule } from '../../../diffusion/check/shared/flow-schedule.ts'
import { zeroTerminalSnr } from '../../../diffusion/families/parametrisation.ts'

const folder = join(import.meta.dirname, '../../fixtures/parity/schedulers-a')

describe('schedulers-a', async () => {
  const results = await checkCase(folder)

  it.each(results.map((result) => [result.name, result] as const))('%s', (_, result) => {
    expect(result).toMatchObject({ kind: 'schedule', pass: true })
    expect(result.details.length).toBeGreaterThanOrEqual(5)
    expect(result.maxAbs).toBeLessThan(1e-5)
  })

  it('is there as a whole', () => {
    expect(results).toHaveLength(16)
  })
})

/** The outcome of a case whose configuration has been changed. */
async function changed(name: string, change: Readonly<Record<string, unknown>>) {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-schedule-'))
  try {
    const json = JSON.parse(
      (await readFile(join(folder, `${name}.json`), 'utf8')).replace(/: (-?Infinity|NaN)\b/g, ': null'),
    ) as { scheduler_config: object }
    const config = { ...json.scheduler_config, ...change }
    await writeFile(join(dir, `${name}.json`), JSON.stringify({ ...json, scheduler_config: config }))
    await copyFile(join(folder, `${name}.safetensors`), join(dir, `${name}.safetensors`))
    return (await checkCase(dir))[0]!
  } finally {
    await rm(dir, { recursive: true })
  }
}

describe('a changed configuration', () => {
  it.each([
    ['ddim-sd15', { prediction_type: 'v_prediction' }],
    ['ddim-sd15', { set_alpha_to_one: true }],
    ['ddim-sd15', { steps_offset: 0 }],
    ['ddim-vpred-zsnr-trailing', { rescale_betas_zero_snr: false }],
    ['euler-karras', { use_karras_sigmas: false }],
    ['euler-sd15-leading', { timestep_spacing: 'trailing' }],
    ['dpmpp2m', { beta_schedule: 'linear' }],
    ['unipc-sd15', { timestep_spacing: 'leading' }],
    ['flow-shift3', { shift: 2.9 }],
  ])('%s with %j fails', async (name, change) => {
    expect(await changed(name, change)).toMatchObject({ pass: false })
    expect((await changed(name, change)).unsupported).toBeUndefined()
  })

  it.each([
    ['dpmpp2m', { solver_order: 3 }],
    ['dpmpp2m', { algorithm_type: 'sde-dpmsolver++' }],
    ['ddim-sd15', { clip_sample: true }],
    ['unipc-sd15', { solver_type: 'bh1' }],
    ['euler-vpred', { prediction_type: 'sample' }],
    ['euler-vpred', { _class_name: 'EDMEulerScheduler' }],
    ['euler-vpred', { use_exponential_sigmas: true }],
  ])('%s with %j is listed as unsupported', async (name, change) => {
    expect(await changed(name, change)).toMatchObject({ pass: false, unsupported: true })
  })
})

describe('what no case holds', () => {
  const betas = { beta_start: 0.00085, beta_end: 0.012, beta_schedule: 'scaled_linear', num_train_timesteps: 1000 }

  it('the middle of a step of Heun is a step of its scheduler', () => {
    const heun = discreteSchedule({ ...betas, _class_name: 'HeunDiscreteScheduler' }, 4)!
    expect(heun.timesteps).toEqual([999, 666, 666, 333, 333, 0, 0])
    expect(heun.sigmas).toHaveLength(8)
    expect(heun.sampler.evaluations(heun.runs[0]!)).toBe(7)
    const config = { _class_name: 'FlowMatchHeunDiscreteScheduler', shift: 1, num_train_timesteps: 1000 }
    const flow = flowSchedule(config, 3, undefined)!
    expect(flow.sigmas).toEqual([1, 0.5005, 0.5005, 0.001, 0.001, 0].map((value): unknown => expect.closeTo(value, 6)))
    expect(flow.sampler.evaluations(flow.runs[0]!)).toBe(5)
  })

  it('DDIM whose steps do not divide the training range goes where diffusers goes', () => {
    const config = { ...betas, _class_name: 'DDIMScheduler', clip_sample: false, timestep_spacing: 'trailing' }
    const { timesteps, runs } = discreteSchedule({ ...config, set_alpha_to_one: true }, 7)!
    expect(timesteps).toEqual([999, 856, 713, 570, 428, 285, 142])
    // 999 - trunc(1000 / 7) is 857, one above where the next step begins.
    expect(runs[0]![1]).toBeGreaterThan(runs[1]![0]!)
    expect(runs[6]![1]).toBeCloseTo(
      discreteSchedule({ ...config, timestep_spacing: 'leading', steps_offset: 0 }, 1000)!.runs.at(-1)![0]!,
    )
  })

  it('without terminal signal the first alpha stays and the last is 0', () => {
    const alphas = Float64Array.of(0.99, 0.5, 0.04)
    const [first, middle, last] = zeroTerminalSnr(alphas)
    expect([first, last]).toEqual([expect.closeTo(0.99, 12), 0])
    expect(middle).toBeLessThan(0.5)
  })
})
