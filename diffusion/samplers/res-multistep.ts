/** RES: a second-order exponential multistep sampler with one evaluation per step (Zhang et al. 2023, arXiv 2308.02157; ComfyUI's form without noise). */
import { multistep } from './dpmpp-2m.ts'

/**
 * phi_2(-h) / phi_1(-h): the exact mean place of a step under its own exponential weights, where DPM-Solver++(2M) takes the middle.
 * phi_1(-h) = (1 - exp(-h)) / h, phi_2(-h) = (1 - phi_1(-h)) / h; 1/2 for h -> 0, so a step of no length is in the middle.
 */
function reach(h: number): number {
  if (Math.abs(h) < 1e-4) return 0.5
  const phi1 = -Math.expm1(-h) / h
  return (1 - phi1) / (h * phi1)
}

export default multistep('res_multistep', (sigma) => -Math.log(sigma), reach)
