/** The one prompt of a CONDITIONING that is mixed into others. */
import type { Conditioning } from '../../../diffusion/families/contract.ts'

/** The first; told of when there are more. Throws, naming the node, when there is none. */
export function firstOf(node: string, all: readonly Conditioning[], warn: (message: string) => void): Conditioning {
  const [first] = all
  if (!first) throw new Error(`${node}: conditioning_from holds no prompt`)
  if (all.length > 1) warn(`${node}: conditioning_from holds ${all.length} prompts; only the first one is used`)
  return first
}
