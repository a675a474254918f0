/** ConditioningAverage: a prompt between two, token by token. */
import { axpy, scale, tensor, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float } from '../spec.ts'
import { firstOf } from './shared/first.ts'

/** [1, L, D] cut, or filled up with zeros, to `count` tokens. */
function ofLength({ data, shape }: Tensor, count: number): Tensor {
  const width = shape[2] ?? 0
  const out = new Float32Array(count * width)
  out.set(data.subarray(0, out.length))
  return tensor(out, [1, count, width])
}

const mean = (to: Tensor, from: Tensor, share: number): Tensor => axpy(scale(to, share), 1 - share, from)

export default defineNode({
  type: 'ConditioningAverage',
  category: 'conditioning',
  title: 'ConditioningAverage',
  help: 'Mixes the tokens of two prompts; costs nothing in sampling.',
  inputs: {
    conditioning_to: port('CONDITIONING'),
    conditioning_from: port('CONDITIONING'),
    conditioning_to_strength: float({ default: 1, min: 0, max: 1, step: 0.01, help: 'Share of the first prompt.' }),
  },
  outputs: { CONDITIONING: 'CONDITIONING' },
  run({ conditioning_to, conditioning_from, conditioning_to_strength: share }, { report }) {
    const from = firstOf('ConditioningAverage', conditioning_from, report.warn)
    return {
      CONDITIONING: conditioning_to.map((to) => {
        const tokens = mean(to.tokens, ofLength(from.tokens, to.tokens.shape[1] ?? 0), share)
        const pooled = to.pooled && from.pooled ? mean(to.pooled, from.pooled, share) : (to.pooled ?? from.pooled)
        return { ...to, tokens, pooled }
      }),
    }
  },
})
