/** DrawCalibration: shows what a calibrator found, as curves. */
import { readAnyCalibration, type Calibration } from '../../diffusion/caching/calibration.ts'
import { defineNode } from '../define.ts'
import { text } from '../spec.ts'
import { drawCurves, type Panel } from './drawing/curves.ts'

/** Points of the polynomial's curve. */
const SAMPLES = 120
/** Drawn so far where a polynomial came without the range of its fit. */
const WIDE: readonly [number, number] = [0, 0.3]

const indexed = (values: readonly number[]) => values.map((value, i) => [i, value] as const)

function panelsOf(calibration: Calibration): readonly Panel[] {
  if (calibration.method === 'MagCache') {
    const { cond, uncond } = calibration.ratios
    const curves = [
      { label: 'cond', points: indexed(cond) },
      ...(uncond ? [{ label: 'uncond', points: indexed(uncond) }] : []),
    ]
    return [{ title: 'residual against the one before', axis: 'evaluation', curves, mark: 1 }]
  }
  if (calibration.method === 'TeaCache') {
    const { coefficients, range: [low, high] = WIDE, signal } = calibration
    const points = Array.from({ length: SAMPLES + 1 }, (_, i) => {
      const x = low + ((high - low) * i) / SAMPLES
      return [x, coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0)] as const
    })
    const axis = `change of the ${signal}`
    return [{ title: 'expected change of the output', axis, curves: [{ label: 'polynomial', points }], mark: 0 }]
  }
  // Levels fall along a run: drawn against 1 - sigma, time runs to the right.
  const along = (values: readonly number[]) => calibration.sigmas.map((sigma, i) => [1 - sigma, values[i]!] as const)
  return [
    {
      title: 'output moves per latent',
      axis: '1 - sigma',
      curves: [{ label: 'latent', points: along(calibration.latent) }],
    },
    {
      title: 'output moves per timestep',
      axis: '1 - sigma',
      curves: [{ label: 'time', points: along(calibration.time) }],
    },
  ]
}

function qualityOf(calibration: Calibration): string {
  if (calibration.method !== 'TeaCache')
    return calibration.spread === undefined ? '' : `spread between runs ${calibration.spread.toFixed(4)}`
  const { fit } = calibration
  return fit ? `${fit.pairs} pairs, R2 ${fit.r2.toFixed(3)}, error ${fit.rms.toFixed(4)}` : ''
}

export default defineNode({
  type: 'DrawCalibration',
  category: 'measuring',
  title: 'Draw Calibration',
  help: 'The polynomial, ratios or sensitivities that a calibrator node found, and how well they fit.',
  inputs: {
    calibration: text({ multiline: true, help: 'From CalibrateTeaCache, CalibrateMagCache or CalibrateSenCache.' }),
  },
  outputs: { IMAGE: 'IMAGE' },
  validate({ calibration }) {
    if (calibration === undefined) return undefined
    try {
      readAnyCalibration(calibration)
      return undefined
    } catch (error) {
      return { calibration: error instanceof Error ? error.message : String(error) }
    }
  },
  run({ calibration }) {
    const read = readAnyCalibration(calibration)
    const lines = [`${read.method} for ${read.model}`, read.source, qualityOf(read)].filter((line) => line !== '')
    return { IMAGE: drawCurves(lines, panelsOf(read)) }
  },
})
