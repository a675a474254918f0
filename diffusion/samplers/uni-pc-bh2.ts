/** UniPC of second order, B2 variant: diffusers' UniPCMultistepScheduler. One evaluation a step. */
import { explodingSnr, flowSnr, type Snr } from './shared/snr.ts'
import { unipc } from './shared/unipc.ts'

/** Finite at pure noise, where diffusers steps back by as much. */
const flow: Snr = { ...flowSnr, lambda: (sigma) => flowSnr.lambda(Math.min(sigma, 1 - 1e-6)) }

/**
 * Over the noise ratio that the model has. (ComfyUI's sampler of this name goes up to third order and takes every model for a
 * variance-preserving one; so does `uni_pc` here.)
 */
export default unipc({
  name: 'uni_pc_bh2',
  order: 2,
  variant: 'bh2',
  snr: ({ kind }) => (kind === 'flow' ? flow : explodingSnr),
})
