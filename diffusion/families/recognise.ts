/** Finds out what weights of unknown origin are: which family's, in which layout. By keys and shapes, never by the file's name. */
import type { Weights } from '../onnx/weights.ts'
import type { Family, Fit, Json } from './family.ts'
import { loadFamilies } from './registry.ts'

/** Files of other kinds, by keys that only they have: for those who put one into the wrong folder. */
const OTHER_KINDS: readonly (readonly [key: RegExp, kind: string])[] = [
  [/[._]lora_(up|down|A|B)[._]/, 'a LoRA, which belongs into loras/'],
  [/^(first_stage_model\.)?(encoder|decoder)\.(conv_in|conv1|mid|middle)\b/, 'an autoencoder, which belongs into vae/'],
  [
    /^(text_model\.|transformer\.resblocks|encoder\.block\.\d+\.layer|model\.layers\.)/,
    'a text encoder, which belongs into text_encoders/',
  ],
]
const NEAREST_SHOWN = 2
const MISFITS_SHOWN = 3

/** A file that no family recognises; the message lists the nearest ones and what did not fit. */
export class UnknownModelError extends Error {
  override readonly name = 'UnknownModelError'
}

export interface Recognised {
  readonly family: Family
  readonly fit: Fit
}

/** The family and layout that the transformer in `weights` fits entirely; other parts of a checkpoint may lie beside it. Throws UnknownModelError. */
export async function recognise(weights: Weights, config: Json | null): Promise<Recognised> {
  const families = await loadFamilies()
  const tried = families.flatMap((family) => family.fits(weights, config).map((fit) => ({ family, fit })))
  const found = tried.find(({ fit }) => fit.share === 1)
  if (found) return found
  const nearest = tried.sort((a, b) => b.fit.share - a.fit.share).slice(0, NEAREST_SHOWN)
  const lines = nearest.map(({ fit }) => {
    const shown = fit.misfits.slice(0, MISFITS_SHOWN).join('; ')
    const more = fit.misfits.length - MISFITS_SHOWN
    return `${fit.label} fits ${Math.round(100 * fit.share)} %: ${shown}${more > 0 ? `; and ${more} more` : ''}`
  })
  const keys = [...weights.tensors.keys()]
  const other = OTHER_KINDS.find(([key]) => keys.some((name) => key.test(name)))
  throw new UnknownModelError(
    `${weights.where}: no known model family.${other ? ` It looks like ${other[1]}.` : ''} ` +
      `It has ${keys.length} tensors (${keys.slice(0, MISFITS_SHOWN).join(', ')}, ...). ` +
      `Nearest: ${lines.join(' | ')}`,
  )
}
