/** AutoencoderTiny (TAESD, TAESDXL, TAESD3, TAEF1): approximate, small and quick; in diffusers' or the author's key names. */
import type { AutoencoderKind } from '../kind.ts'
import { Taesd, TAESD_CLASS, taesdTensors } from '../taesd.ts'

export default {
  name: TAESD_CLASS,
  open(weights, config) {
    const tensors = taesdTensors(weights.tensors)
    return tensors && new Taesd(tensors, weights.where, config)
  },
} satisfies AutoencoderKind
