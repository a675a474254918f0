/** The words that CLIP loaders offer in `type`: every family that so many text encoder files can serve. */
import { loadFamilies } from '../../../diffusion/families/registry.ts'

/** ComfyUI's words for the families that read prompts with `files` encoders, in the order of the families. */
export async function clipTypes(files: number): Promise<readonly string[]> {
  const families = await loadFamilies()
  return families.flatMap(({ text }) => {
    const slots = Object.values(text?.slots ?? {})
    const required = slots.filter(({ optional }) => !optional).length
    return text && required <= files && files <= slots.length ? text.types : []
  })
}

/** Which of `types` the widget starts with: ComfyUI's first where it is there. */
export const firstOf = (types: readonly string[], usual: string): string =>
  types.includes(usual) ? usual : (types[0] ?? usual)
