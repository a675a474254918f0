/** Opens models from disk: whole diffusers folders, or a transformer by itself, whatever family it turns out to be. */
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { openWeights, openWeightsFolder, type Weights } from '../onnx/weights.ts'
import type { Checkpoint, DiffusionModel, LatentFormat, TextEncoders } from './contract.ts'
import type { Family, Fit, Json, OpenedTransformer, Releasable } from './family.ts'
import { fileExists, readJson, readJsonIfAny } from './json.ts'
import { parametrisationOf } from './parametrisation.ts'
import { loadFamilies } from './registry.ts'
import { openTextFolders } from './text/needs.ts'
import { openAutoencoder } from './vae/open.ts'

/** Pixels per latent cell where no autoencoder says it: that of every published image model with 4 or 16 channels. */
const USUAL_FACTOR = 8
const NEAREST_SHOWN = 2
const MISFITS_SHOWN = 3

/** A file that no family recognises; the message lists the nearest ones and what did not fit. */
export class UnknownModelError extends Error {
  override readonly name = 'UnknownModelError'
}

interface Recognised {
  readonly family: Family
  readonly fit: Fit
}

/** The family and layout that `weights` fit entirely. */
async function recognise(weights: Weights, config: Json | null): Promise<Recognised> {
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
  const keys = [...weights.tensors.keys()].slice(0, MISFITS_SHOWN).join(', ')
  throw new UnknownModelError(
    `${weights.where}: no known model family. It has ${weights.tensors.size} tensors (${keys}, ...). ` +
      `Nearest: ${lines.join(' | ')}`,
  )
}

async function openTransformer(given: string): Promise<OpenedTransformer & { family: string }> {
  const isFolder = (await stat(given)).isDirectory()
  const path = isFolder && (await isCheckpointFolder(given)) ? join(given, 'transformer') : given
  const weights = await (isFolder ? openWeightsFolder(path) : openWeights(path))
  const config = await readJsonIfAny(join(isFolder ? path : dirname(path), 'config.json'))
  const { family, fit } = await recognise(weights, config)
  return { ...fit.open(), family: family.name }
}

/** `latent_rgb.json` in a VAE folder: how a latent cell looks, for previews. */
function latentRgb(json: Json | null, channels: number, where: string): LatentFormat['rgb'] {
  if (!json) return null
  const isRow = (row: unknown): row is number[] => Array.isArray(row) && row.length === 3 && row.every(Number.isFinite)
  const { weights, bias } = json
  if (!Array.isArray(weights) || weights.length !== channels || !weights.every(isRow) || !isRow(bias))
    throw new Error(`${where}: expected weights [${channels}][3] and bias [3]`)
  return { weights, bias }
}

/**
 * Opens a transformer by itself: a .safetensors file in any known layout, a folder with config.json and weights, or a whole
 * diffusers folder of which it takes only that part. Reads headers only. Throws UnknownModelError, SafetensorsError, or an Error that names the file.
 */
export async function openDiffusionModel(path: string): Promise<DiffusionModel> {
  const { transformer, latentChannels, parametrisation, family } = await openTransformer(path)
  return {
    family,
    name: basename(path),
    transformer,
    parametrisation,
    latent: { channels: latentChannels, factor: USUAL_FACTOR, rgb: null },
  }
}

async function familyOfPipeline(folder: string): Promise<Family> {
  const file = join(folder, 'model_index.json')
  const pipeline = (await readJson(file))['_class_name']
  const families = await loadFamilies()
  const family = families.find(({ pipelines }) => pipelines.some((name) => name === pipeline))
  if (family) return family
  const known = families.flatMap((f) => f.pipelines).join(', ')
  throw new UnknownModelError(`${file}: _class_name is ${JSON.stringify(pipeline)}; known pipelines: ${known}`)
}

async function openText(family: Family, folder: string): Promise<TextEncoders & Releasable> {
  if (family.text) return openTextFolders(family.text, folder)
  if (family.openText) return family.openText(folder)
  throw new Error(`${folder}: the family '${family.name}' reads no prompts`)
}

/** Whether `folder` is a whole model in diffusers layout. */
export const isCheckpointFolder = (folder: string): Promise<boolean> => fileExists(join(folder, 'model_index.json'))

/**
 * Opens a diffusers folder (model_index.json): transformer, text encoders, autoencoder. Configurations, tokenizers and headers
 * are read and checked now; sessions open when a part is first used. `release` closes them all.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint & Releasable> {
  const family = await familyOfPipeline(folder)
  const opened = await openTransformer(join(folder, 'transformer'))
  const vae = await openAutoencoder(join(folder, 'vae'))
  if (vae.channels !== opened.latentChannels)
    throw new Error(
      `${folder}: the transformer takes ${opened.latentChannels} latent channels, the vae has ${vae.channels}`,
    )
  const clip = await openText(family, folder)
  const [scheduler, rgb] = [join(folder, 'scheduler', 'scheduler_config.json'), join(folder, 'vae', 'latent_rgb.json')]
  const { transformer } = opened
  return {
    model: {
      family: opened.family,
      name: basename(folder),
      transformer,
      parametrisation: parametrisationOf(await readJsonIfAny(scheduler), opened.parametrisation, scheduler),
      latent: {
        channels: vae.channels,
        factor: vae.factor,
        rgb: latentRgb(await readJsonIfAny(rgb), vae.channels, rgb),
      },
    },
    clip,
    vae,
    async release() {
      await transformer.release()
      await clip.release()
      await vae.release()
    },
  }
}
