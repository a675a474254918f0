/** The check that every family makes of the text it is given: whether its tokens come from text encoders of the right width. */
import type { Tensor } from '../../tensor.ts'

/** Faults of `tokens`, which must be [1, L, width]; none when they fit. */
export function textFaults({ shape }: Tensor, width: number): readonly string[] {
  if (shape.length === 3 && shape[2] === width) return []
  return [
    `text tokens are [${shape.join(', ')}], expected [1, L, ${width}] (load the text encoders that belong to this model)`,
  ]
}
