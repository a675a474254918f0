/** Encoding a text of its own with each encoder. */
import type { Conditioning, TextEncoders } from '../../../diffusion/families/contract.ts'

/** Texts by ComfyUI's short names of the encoders. Throws, naming the node, for encoders that cannot be told apart. */
export function encodeEach(
  node: string,
  clip: TextEncoders,
  texts: Readonly<Record<string, string>>,
  warn: (message: string) => void,
): Promise<Conditioning> {
  if (clip.encodeEach) return clip.encodeEach(texts, warn)
  throw new Error(`${node}: these text encoders take one text for all; use CLIPTextEncode with them`)
}
