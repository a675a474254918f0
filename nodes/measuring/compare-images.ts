/** CompareImages: how far a picture is from a reference, as PSNR, SSIM and a picture of the difference. */
import { psnr, ssim } from '../../diffusion/metrics.ts'
import { zip } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float } from '../spec.ts'

export default defineNode({
  type: 'CompareImages',
  category: 'measuring',
  title: 'Compare Images',
  help: 'PSNR (dB) and SSIM of a picture against a reference of the same size, and their absolute difference, amplified.',
  inputs: {
    image: port('IMAGE'),
    reference: port('IMAGE'),
    gain: float({
      default: 8,
      min: 1,
      max: 256,
      step: 1,
      help: 'Factor on the difference picture; 1 shows it as it is.',
    }),
  },
  outputs: { difference: 'IMAGE', psnr: 'FLOAT', ssim: 'FLOAT' },
  isOutput: true,
  run({ image, reference, gain }) {
    const [decibels, similarity] = [psnr(image, reference), ssim(image, reference)]
    const shown = Number.isFinite(decibels) ? `${decibels.toFixed(2)} dB` : 'identical'
    return {
      difference: zip(image, reference, (a, b) => Math.min(1, gain * Math.abs(a - b))),
      psnr: decibels,
      ssim: similarity,
      ui: { text: [`PSNR ${shown}, SSIM ${similarity.toFixed(4)}`] },
    }
  },
})
