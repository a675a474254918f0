/** Opens models from disk: whole checkpoints as folders or single files, or a transformer by itself, whatever family it turns out to be. */
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { openWeights, openWeightsFolder } from '../onnx/weights.ts'
import type { Checkpoint, DiffusionModel, LatentFormat, TextEncoders } from './contract.ts'
import type { Family, Json, Releasable } from './family.ts'
import { fileExists, readJson, readJsonIfAny } from './json.ts'
import { modelOf } from './model.ts'
import { parametrisationOf } from './parametrisation.ts'
import { recognise, UnknownModelError, type Recognised } from './recognise.ts'
import { loadFamilies } from './registry.ts'
import { openSingleFile } from './single-file.ts'
import type { TokenizerFolders } from './text/find.ts'
import { openTextFolders } from './text/needs.ts'
import { openAutoencoder } from './vae/open.ts'

export { UnknownModelError }

/** What diffusers calls the folder of what is sampled: the second where that is a U-Net. */
const MODEL_FOLDERS = ['transformer', 'unet']

/** Where no tokenizers lie but beside the encoders. */
const NO_TOKENIZERS: TokenizerFolders = { of: () => [] }

/** The transformer's folder inside a diffusers folder. */
async function modelFolder(folder: string): Promise<string> {
  for (const name of MODEL_FOLDERS) if (await fileExists(join(folder, name))) return join(folder, name)
  throw new Error(`${folder}: no ${MODEL_FOLDERS.join('/ or ')}/ in it`)
}

async function recogniseAt(given: string): Promise<Recognised> {
  const isFolder = (await stat(given)).isDirectory()
  const path = isFolder && (await isCheckpointFolder(given)) ? await modelFolder(given) : given
  const weights = await (isFolder ? openWeightsFolder(path) : openWeights(path))
  const config = await readJsonIfAny(join(isFolder ? path : dirname(path), 'config.json'))
  return recognise(weights, config)
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
  return modelOf(await recogniseAt(path), { name: basename(path) })
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

/** Told how many parts of how many are open. */
export type OnPart = (done: number, parts: number) => void
/** Transformer, autoencoder, text. */
const PARTS = 3

/** A diffusers folder (model_index.json). */
async function openFolder(folder: string, onPart: OnPart): Promise<Checkpoint & Releasable> {
  const family = await familyOfPipeline(folder)
  const recognised = await recogniseAt(folder)
  onPart(1, PARTS)
  const vae = await openAutoencoder(join(folder, 'vae'))
  onPart(2, PARTS)
  const clip = await openText(family, folder)
  onPart(PARTS, PARTS)
  const [scheduler, rgb] = [join(folder, 'scheduler', 'scheduler_config.json'), join(folder, 'vae', 'latent_rgb.json')]
  const [schedule, look] = [await readJsonIfAny(scheduler), await readJsonIfAny(rgb)]
  const model = modelOf(recognised, {
    ...{ name: basename(folder), vae },
    rgb: latentRgb(look, vae.channels, rgb),
    parametrisation: (fallback) => parametrisationOf(schedule, fallback, scheduler),
  })
  return {
    ...{ model, clip, vae },
    async release() {
      await model.transformer.release()
      await clip.release()
      await vae.release()
    },
  }
}

/**
 * Opens a whole model: a diffusers folder (model_index.json) or an all-in-one .safetensors file. Transformer, text encoders, autoencoder:
 * configurations, tokenizers and headers are read and checked now; sessions open when a part is first used. `release` closes them all.
 * `tokenizers` are for files, which have none.
 */
export async function openCheckpoint(
  path: string,
  tokenizers: TokenizerFolders = NO_TOKENIZERS,
  onPart: OnPart = () => undefined,
): Promise<Checkpoint & Releasable> {
  return (await stat(path)).isDirectory() ? openFolder(path, onPart) : openSingleFile(path, tokenizers, onPart)
}
