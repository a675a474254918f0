/** DDIM without noise of its own (Song et al. 2021, equation 12 with eta 0): between noise levels sigma / alpha the same steps as Euler's. One evaluation a step. */
import type { Sampler } from '../sampling-types.ts'
import euler from './euler.ts'

export default { ...euler, name: 'ddim' } satisfies Sampler
