/** Previews through TAESD, for models whose latents it knows and where the user has it in vae_approx/. */
import type { DiffusionModel } from '../../diffusion/families/contract.ts'
import type { Releasable } from '../../diffusion/families/family.ts'
import { openTaesd, type Taesd } from '../../diffusion/families/vae/taesd.ts'
import { taesdFor } from '../../diffusion/families/vae/taesd-names.ts'
import { taesdFiles, type ModelDir } from '../store/model-folders.ts'

/** The model with previews through its TAESD, where there is one, and how to close that. It is opened at the first preview. */
export function sketched(
  model: DiffusionModel,
  modelDirs: readonly ModelDir[],
): Releasable & { readonly model: DiffusionModel } {
  const name = taesdFor(model.latent)
  const files = name === null ? [] : taesdFiles(modelDirs, name).map(({ path }) => path)
  if (files.length === 0) return { model, release: () => Promise.resolve() }
  let opening: Promise<Taesd> | null = null
  const sketch: DiffusionModel['latent']['sketch'] = async (latent) => {
    opening ??= openTaesd(files)
    return (await opening).decode(latent)
  }
  return {
    model: { ...model, latent: { ...model.latent, sketch } },
    release: async () => (await opening)?.release(),
  }
}
