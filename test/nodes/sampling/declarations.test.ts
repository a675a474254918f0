/** The inputs and outputs of the sampling nodes are ComfyUI's: names, order, defaults; the cache and the report come after them. */
import { expect, it } from 'vitest'
import { declared, nodeOf } from '../run-node.ts'

const MODEL = ['model', 'MODEL'] as const
const PROMPTS = [
  ['positive', 'CONDITIONING'],
  ['negative', 'CONDITIONING'],
] as const
const LATENT = ['latent_image', 'LATENT'] as const
const ENDS = [
  ['sigma_max', 14.614642],
  ['sigma_min', 0.0291675],
] as const
const SIZE = 1024

it.each([
  [
    'KSamplerAdvanced',
    [
      MODEL,
      ['add_noise', 'enable'],
      ['noise_seed', 0],
      ['steps', 20],
      ['cfg', 8],
      ['sampler_name', 'euler'],
      ['scheduler', 'simple'],
      ...PROMPTS,
      LATENT,
      ['start_at_step', 0],
      ['end_at_step', 10000],
      ['return_with_leftover_noise', 'disable'],
      ['cache', 'CACHE'],
    ],
    ['LATENT', 'CACHE_REPORT'],
  ],
  [
    'SamplerCustom',
    [
      MODEL,
      ['add_noise', true],
      ['noise_seed', 0],
      ['cfg', 8],
      ...PROMPTS,
      ['sampler', 'SAMPLER'],
      ['sigmas', 'SIGMAS'],
      LATENT,
      ['cache', 'CACHE'],
    ],
    ['LATENT', 'LATENT', 'CACHE_REPORT'],
  ],
  [
    'SamplerCustomAdvanced',
    [
      ['noise', 'NOISE'],
      ['guider', 'GUIDER'],
      ['sampler', 'SAMPLER'],
      ['sigmas', 'SIGMAS'],
      LATENT,
      ['cache', 'CACHE'],
    ],
    ['LATENT', 'LATENT', 'CACHE_REPORT'],
  ],
  ['KSamplerSelect', [['sampler_name', 'euler']], ['SAMPLER']],
  ['BasicScheduler', [MODEL, ['scheduler', 'simple'], ['steps', 20], ['denoise', 1]], ['SIGMAS']],
  ['KarrasScheduler', [['steps', 20], ...ENDS, ['rho', 7]], ['SIGMAS']],
  ['ExponentialScheduler', [['steps', 20], ...ENDS], ['SIGMAS']],
  ['SDTurboScheduler', [MODEL, ['steps', 1], ['denoise', 1]], ['SIGMAS']],
  [
    'SplitSigmas',
    [
      ['sigmas', 'SIGMAS'],
      ['step', 0],
    ],
    ['SIGMAS', 'SIGMAS'],
  ],
  [
    'SplitSigmasDenoise',
    [
      ['sigmas', 'SIGMAS'],
      ['denoise', 1],
    ],
    ['SIGMAS', 'SIGMAS'],
  ],
  ['FlipSigmas', [['sigmas', 'SIGMAS']], ['SIGMAS']],
  ['ManualSigmas', [['sigmas', '1, 0.5']], ['SIGMAS']],
  ['RandomNoise', [['noise_seed', 0]], ['NOISE']],
  ['DisableNoise', [], ['NOISE']],
  ['BasicGuider', [MODEL, ['conditioning', 'CONDITIONING']], ['GUIDER']],
  ['CFGGuider', [MODEL, ...PROMPTS, ['cfg', 8]], ['GUIDER']],
  [
    'DualCFGGuider',
    [
      MODEL,
      ['cond1', 'CONDITIONING'],
      ['cond2', 'CONDITIONING'],
      ['negative', 'CONDITIONING'],
      ['cfg_conds', 8],
      ['cfg_cond2_negative', 8],
      ['style', 'regular'],
    ],
    ['GUIDER'],
  ],
  [
    'ModelSamplingFlux',
    [MODEL, ['max_shift', 1.15], ['base_shift', 0.5], ['width', SIZE], ['height', SIZE]],
    ['MODEL'],
  ],
  ['ModelSamplingSD3', [MODEL, ['shift', 3]], ['MODEL']],
  ['ModelSamplingAuraFlow', [MODEL, ['shift', 1.73]], ['MODEL']],
  ['ModelSamplingDiscrete', [MODEL, ['sampling', 'eps'], ['zsnr', false]], ['MODEL']],
] as const)('%s', (type, inputs, outputs) => {
  expect(declared(type)).toEqual(inputs)
  expect(nodeOf(type).outputTypes).toEqual(outputs)
})
