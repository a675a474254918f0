/** The nodes of custom sampling: what they give, and that they come to the same pictures as KSampler. */
import { describe, expect, it } from 'vitest'
import { discrete, flow, LINEAR_BETAS } from '../../../diffusion/families/parametrisation.ts'
import type { DiffusionModel } from '../../../diffusion/families/contract.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { row, tensor, zeros, type Tensor } from '../../../diffusion/tensor.ts'
import type { Latent } from '../../../nodes/ports.ts'
import { FAKE_LATENT, fakeConditioning, fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { runNode, type Given } from '../run-node.ts'

const positive = [fakeConditioning(1)]
const negative = [fakeConditioning(2)]
const blank = (batch = 1): Latent => ({ samples: zeros([batch, ...FAKE_LATENT]) })
const modelWith = (change: Partial<DiffusionModel> = {}): DiffusionModel => ({
  ...fakeModel(fakeTransformer()),
  ...change,
})
const samplesOf = ({ samples }: Latent): Tensor => samples
const near = (values: readonly number[]) => values.map((value): unknown => expect.closeTo(value, 5))

const settings = { steps: 8, cfg: 3, sampler_name: 'euler', scheduler: 'simple' }
const kSampler = (more: object = {}) =>
  runNode('KSampler', { model: modelWith(), seed: 7n, positive, negative, latent_image: blank(), ...settings, ...more })
const advanced = (more: object = {}) =>
  runNode('KSamplerAdvanced', {
    ...{ model: modelWith(), noise_seed: 7n, positive, negative, latent_image: blank() },
    ...settings,
    ...more,
  })

/** The parts of custom sampling, wired. */
async function custom(more: Readonly<Record<string, unknown>> = {}, model = modelWith(), name = 'euler') {
  const { GUIDER: guider } = await runNode('CFGGuider', { model, positive, negative, cfg: 3 })
  const { NOISE: noise } = await runNode('RandomNoise', { noise_seed: 7n })
  const { SAMPLER: sampler } = await runNode('KSamplerSelect', { sampler_name: name })
  const { SIGMAS: sigmas } = await runNode('BasicScheduler', { model, scheduler: 'simple', steps: 8 })
  return runNode('SamplerCustomAdvanced', { noise, guider, sampler, sigmas, latent_image: blank(), ...more })
}

describe('one picture by every way', () => {
  it.each(['euler', 'dpmpp_2m', 'euler_ancestral'])('%s', async (name) => {
    const expected = samplesOf((await kSampler({ sampler_name: name })).LATENT).data
    expect(samplesOf((await advanced({ sampler_name: name })).LATENT).data).toEqual(expected)
    expect(samplesOf((await custom({}, modelWith(), name)).output).data).toEqual(expected)
    const { SAMPLER: sampler } = await runNode('KSamplerSelect', { sampler_name: name })
    const { SIGMAS: sigmas } = await runNode('BasicScheduler', { model: modelWith(), steps: 8 })
    const given = { model: modelWith(), noise_seed: 7n, cfg: 3, positive, negative, sampler, sigmas }
    const { output } = await runNode('SamplerCustom', { ...given, latent_image: blank() })
    expect(samplesOf(output).data).toEqual(expected)
  })

  it('the model of a cfg of 1 sees one branch', async () => {
    const { report } = await kSampler({ cfg: 1, negative: [] })
    expect(report.branches).toEqual(['cond'])
    const guider = (await runNode('BasicGuider', { model: modelWith(), conditioning: positive })).GUIDER
    const basic = await custom({ guider })
    const expected = samplesOf((await kSampler({ cfg: 1 })).LATENT).data
    expect(samplesOf(basic.output).data).toEqual(expected)
  })

  it('the clean latent of the last step is the output where a run ends at 0, and not before', async () => {
    const whole = await custom()
    expect(samplesOf(whole.denoised_output).data).toEqual(samplesOf(whole.output).data)
    const part = await custom({ sigmas: [1, 0.6, 0.3] })
    expect(samplesOf(part.denoised_output).data).not.toEqual(samplesOf(part.output).data)
  })
})

describe('KSamplerAdvanced', () => {
  it('two samplers of one schedule are one run', async () => {
    const first = await advanced({ end_at_step: 3, return_with_leftover_noise: 'enable' })
    const second = await advanced({ add_noise: 'disable', start_at_step: 3, latent_image: first.LATENT })
    const whole = samplesOf((await kSampler()).LATENT)
    samplesOf(second.LATENT).data.forEach((value, i) => expect(value).toBeCloseTo(whole.data[i]!, 4))
  })

  it('goes to the clean latent at its end unless noise is to be left', async () => {
    const cut = await advanced({ end_at_step: 3 })
    expect(cut.report.evaluations).toBe(3)
    expect(samplesOf(cut.LATENT).data).toEqual(samplesOf((await custom({ sigmas: [1, 0.875, 0.75, 0] })).output).data)
  })

  it('with nothing to do gives its latent back', async () => {
    const latent = { samples: normalNoise(1n, [1, ...FAKE_LATENT]) }
    expect(samplesOf((await advanced({ start_at_step: 8, latent_image: latent })).LATENT)).toBe(latent.samples)
  })
})

describe('caching', async () => {
  const model = modelWith()
  const { CACHE: cache } = await runNode('DiCache', { threshold: 10, warm_up: 0 })
  const { MODEL: carrying } = await runNode('ApplyCache', { model, cache })
  const skipped = ({ report }: Pick<Given, 'report'>) =>
    report.rows.filter(({ decision }) => decision === 'skipped').length

  it('goes through guiders and custom samplers, by the model or by the input', async () => {
    const plain = skipped(await kSampler({ cache }))
    expect(plain).toBeGreaterThan(4)
    expect(skipped(await custom({ cache }))).toBe(plain)
    expect(skipped(await custom({}, carrying))).toBe(plain)
    expect(skipped(await advanced({ model: carrying }))).toBe(plain)
    expect(skipped(await custom())).toBe(0)
  })

  it('survives the nodes that change how a model is sampled', async () => {
    const { MODEL: shifted } = await runNode('ModelSamplingSD3', { model: carrying })
    expect(shifted.cache).toBe(cache)
  })
})

describe('noise levels', () => {
  it.each([
    ['KarrasScheduler', { steps: 3, sigma_max: 8, sigma_min: 1, rho: 3 }, [8, 3.375, 1, 0]],
    ['ExponentialScheduler', { steps: 3, sigma_max: 8, sigma_min: 2 }, [8, 4, 2, 0]],
    ['SDTurboScheduler', { model: modelWith(), steps: 2 }, [1, 0.9, 0]],
    ['SDTurboScheduler', { model: modelWith(), steps: 3, denoise: 0.5 }, [0.5, 0.4, 0.3, 0]],
    ['FlipSigmas', { sigmas: [1, 0.4, 0] }, [0.0001, 0.4, 1]],
    ['FlipSigmas', { sigmas: [] }, []],
    ['ManualSigmas', { sigmas: '1.0, .5;0.25 and 0' }, [1, 0.5, 0.25, 0]],
    ['BasicScheduler', { model: modelWith(), steps: 2, denoise: 0.5 }, [0.5, 0.25, 0]],
    ['BasicScheduler', { model: modelWith(), steps: 2, denoise: 0 }, []],
  ] as const)('%s %#', async (type, given, expected) => {
    expect((await runNode(type, given)).SIGMAS).toEqual(near(expected))
  })

  it('are split where told, the level between in both parts', async () => {
    const sigmas = [1, 0.8, 0.5, 0.2, 0]
    expect(await runNode('SplitSigmas', { sigmas, step: 2 })).toEqual({
      high_sigmas: [1, 0.8, 0.5],
      low_sigmas: [0.5, 0.2, 0],
    })
    expect(await runNode('SplitSigmasDenoise', { sigmas, denoise: 0.5 })).toEqual({
      high_sigmas: [1, 0.8, 0.5],
      low_sigmas: [0.5, 0.2, 0],
    })
    expect((await runNode('SplitSigmasDenoise', { sigmas, denoise: 0 })).high_sigmas).toEqual(sigmas)
  })

  it('rise where a picture is taken back to its noise', async () => {
    const latent = { samples: normalNoise(4n, [1, ...FAKE_LATENT]) }
    const { NOISE: noise } = await runNode('DisableNoise')
    const there = await custom({ sigmas: [0.0001, 0.2, 0.4, 0.6], noise, latent_image: latent })
    const back = await custom({ sigmas: [0.6, 0.4, 0.2, 0], noise, latent_image: there.output })
    const distance = (a: Tensor, b: Tensor) => a.data.reduce((sum, value, i) => sum + Math.abs(value - b.data[i]!), 0)
    const far = samplesOf((await custom({ latent_image: latent })).output)
    expect(distance(samplesOf(back.output), latent.samples)).toBeLessThan(distance(far, latent.samples))
    await expect(custom({ sigmas: [0.1, 1] })).rejects.toThrow(/rising to 1/)
  })
})

describe('noise', () => {
  it("is the seed's, or none; of latents taken from a batch it is theirs", async () => {
    const noise = (await runNode('RandomNoise', { noise_seed: 9n })).NOISE
    const none = (await runNode('DisableNoise')).NOISE
    const batch = zeros([3, 2, 4, 4])
    expect(noise.noiseFor({ samples: batch }).data).toEqual(normalNoise(9n, batch.shape).data)
    expect(none.noiseFor({ samples: batch }).data.every((value) => value === 0)).toBe(true)
    const picked = noise.noiseFor({ samples: zeros([2, 2, 4, 4]), batch_index: [2, 0] })
    const drawn = normalNoise(9n, batch.shape)
    expect(picked.data).toEqual(new Float32Array([...row(drawn, 2).data, ...row(drawn, 0).data]))
  })
})

describe('another parametrisation', () => {
  const shiftOf = ({ parametrisation }: DiffusionModel) => parametrisation

  it('shifts flow models, FLUX by the size of the picture', async () => {
    const model = modelWith()
    expect(shiftOf((await runNode('ModelSamplingSD3', { model, shift: 5 })).MODEL)).toEqual(flow(5))
    expect(shiftOf((await runNode('ModelSamplingAuraFlow', { model })).MODEL)).toEqual(flow(1.73))
    for (const [side, mu] of [
      [1024, 1.15],
      [256, 0.5],
    ] as const) {
      const { MODEL } = await runNode('ModelSamplingFlux', { model, width: side, height: side })
      expect(shiftOf(MODEL)).toMatchObject({ kind: 'flow', shift: expect.closeTo(Math.exp(mu), 10) as unknown })
    }
    expect(model.parametrisation).toEqual(flow(1))
  })

  it('says what a model over betas predicts', async () => {
    const model = modelWith({ parametrisation: discrete('epsilon', LINEAR_BETAS) })
    const { MODEL } = await runNode('ModelSamplingDiscrete', { model, sampling: 'v_prediction', zsnr: true })
    const made = shiftOf(MODEL)
    expect(made.kind).toBe('v')
    expect(made.kind !== 'flow' && made.alphas.at(-1)).toBeCloseTo(4.897e-8, 10)
    expect(model.parametrisation.kind).toBe('epsilon')
  })

  it('is refused on the other kind of model', async () => {
    const betas = modelWith({ parametrisation: discrete('v', LINEAR_BETAS) })
    await expect(runNode('ModelSamplingSD3', { model: betas })).rejects.toThrow(/ModelSamplingSD3: fake predicts 'v'/)
    await expect(runNode('ModelSamplingDiscrete', { model: modelWith() })).rejects.toThrow(/is a flow model/)
    await expect(runNode('ModelSamplingSD3', { model: modelWith(), shift: 0 })).rejects.toThrow(/above 0/)
  })
})

describe('DualCFGGuider', () => {
  it('hands on three prompts and two scales', async () => {
    const given = { model: modelWith(), cond1: positive, cond2: [fakeConditioning(3)], negative }
    const { GUIDER } = await runNode('DualCFGGuider', {
      ...given,
      cfg_conds: 4,
      cfg_cond2_negative: 2,
      style: 'nested',
    })
    expect(GUIDER).toMatchObject({ guidance: 4, second: { guidance: 2, nested: true } })
    const { report } = await custom({ guider: GUIDER })
    expect(report.branches).toHaveLength(3)
  })
})

describe('latents', () => {
  it("of another scaling are brought to the model's, blank ones stay blank", async () => {
    const latent = { channels: 2, factor: 8, rgb: null, scaling: { scale: 2, shift: 1 } }
    const samples = tensor(new Float32Array(8).fill(3), [1, ...FAKE_LATENT])
    const given = { samples, scaling: { scale: 1, shift: 0 } }
    const { LATENT } = await advanced({ model: modelWith({ latent }), latent_image: given, start_at_step: 8 })
    expect(LATENT.samples.data).toEqual(new Float32Array(8).fill(4))
    expect(LATENT.scaling).toEqual(latent.scaling)
  })

  it('keep what the mask leaves out, whatever the size of the mask; the mask stays on them', async () => {
    const samples = normalNoise(3n, [2, ...FAKE_LATENT])
    // The left half of the picture.
    const noise_mask = tensor(
      Float32Array.from({ length: 16 * 16 }, (_, i) => (i % 16 < 8 ? 1 : 0)),
      [1, 16, 16],
    )
    const { LATENT } = await kSampler({ latent_image: { samples, noise_mask } })
    expect(LATENT.noise_mask).toBe(noise_mask)
    LATENT.samples.data.forEach((value, i) => {
      if (i % 2 === 1) expect(value).toBeCloseTo(samples.data[i]!, 5)
      else expect(Math.abs(value - samples.data[i]!)).toBeGreaterThan(1e-4)
    })
  })

  it('with frames missing get one where the model is for video', async () => {
    const latent = { channels: 3, factor: 8, temporalFactor: 4, rgb: null }
    const given = { samples: zeros([1, 4, 2, 2]) }
    const { LATENT } = await advanced({ model: modelWith({ latent }), latent_image: given, start_at_step: 8 })
    expect(LATENT.samples.shape).toEqual([1, 3, 1, 2, 2])
  })
})
