/** ModelSamplingFlux: the time shift of a FLUX model for a picture's size. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float, int } from '../spec.ts'
import { shiftOutputs, shifted } from './running/shift.ts'

/** Numbers of tokens that base_shift and max_shift belong to: of 256x256 and 1024x1024 pixels. */
const TOKENS = { base: 256, max: 4096 }
/** Pixels along a token's side. */
const TOKEN_SIDE = 16

const shift = (value: number, help: string) => float({ default: value, min: 0, max: 100, step: 0.01, help })
const side = int({ default: 1024, min: 16, max: 16384, step: 8, help: 'Pixels of the picture that will be sampled.' })

export default defineNode({
  type: 'ModelSamplingFlux',
  category: 'sampling',
  title: 'ModelSamplingFlux',
  help: "Shifts the noise levels by the picture's size, on a line through two sizes. max_shift and base_shift are logarithms of the shift.",
  inputs: {
    model: port('MODEL'),
    max_shift: shift(1.15, 'At 1024x1024 pixels.'),
    base_shift: shift(0.5, 'At 256x256 pixels.'),
    width: side,
    height: side,
  },
  outputs: shiftOutputs,
  run({ model, max_shift, base_shift, width, height }) {
    const slope = (max_shift - base_shift) / (TOKENS.max - TOKENS.base)
    const tokens = (width * height) / TOKEN_SIDE ** 2
    return { MODEL: shifted('ModelSamplingFlux', model, Math.exp(base_shift + slope * (tokens - TOKENS.base))) }
  },
})
