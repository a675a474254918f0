/** Prompts without their padding: where padding is never looked at, leaving it out changes nothing and needs no mask. */
import { tensor, type Tensor } from '../../tensor.ts'
import type { Conditioning } from '../contract.ts'

/** The tokens that are text [1, K, width], and the places where they stood. All where there is no mask. Throws when none is text. */
export function visibleTokens(
  name: string,
  { tokens, mask }: Pick<Conditioning, 'tokens' | 'mask'>,
): { readonly tokens: Tensor; readonly places: readonly number[] } {
  const [, length = 0, width = 0] = tokens.shape
  const places = Array.from({ length }, (_, i) => i).filter((i) => mask?.data[i] !== 0)
  if (places.length === 0) throw new Error(`${name}: the prompt's mask leaves none of its ${length} tokens`)
  if (places.length === length) return { tokens, places }
  const data = new Float32Array(places.length * width)
  places.forEach((from, to) => data.set(tokens.data.subarray(from * width, (from + 1) * width), to * width))
  return { tokens: tensor(data, [1, places.length, width]), places }
}
