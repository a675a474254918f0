/** ConditioningConcat: the tokens of one prompt after those of another. */
import type { Conditioning } from '../../diffusion/families/contract.ts'
import { tensor, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { firstOf } from './shared/first.ts'

/** [1, a, ...] and [1, b, ...] as [1, a + b, ...]. */
const after = (a: Tensor, b: Tensor): Tensor =>
  tensor(new Float32Array([...a.data, ...b.data]), [1, (a.shape[1] ?? 0) + (b.shape[1] ?? 0), ...a.shape.slice(2)])

const ones = ({ shape }: Tensor): Tensor => tensor(new Float32Array(shape[1] ?? 0).fill(1), [1, shape[1] ?? 0])

/** Where one prompt says which tokens are text, so must the whole. */
function masksOf(to: Conditioning, from: Conditioning): Pick<Conditioning, 'mask'> {
  if (!to.mask && !from.mask) return {}
  return { mask: after(to.mask ?? ones(to.tokens), from.mask ?? ones(from.tokens)) }
}

export default defineNode({
  type: 'ConditioningConcat',
  category: 'conditioning',
  title: 'Conditioning (Concat)',
  help: 'Appends the tokens of a prompt: more text than the encoder takes at once. The pooled text stays that of the first.',
  inputs: { conditioning_to: port('CONDITIONING'), conditioning_from: port('CONDITIONING') },
  outputs: { CONDITIONING: 'CONDITIONING' },
  run({ conditioning_to, conditioning_from }, { report }) {
    const from = firstOf('ConditioningConcat', conditioning_from, report.warn)
    return {
      CONDITIONING: conditioning_to.map((to) => {
        const widths = [to.tokens.shape[2], from.tokens.shape[2]]
        if (widths[0] !== widths[1])
          throw new Error(
            `ConditioningConcat: tokens of ${widths[0]} values and of ${widths[1]} come from different encoders`,
          )
        return { ...to, ...masksOf(to, from), tokens: after(to.tokens, from.tokens) }
      }),
    }
  },
})
