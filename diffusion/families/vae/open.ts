/** Opens an autoencoder of whatever kind: a diffusers folder, or weights with or without a configuration. */
import { join } from 'node:path'
import { openWeightsFolder, type Weights } from '../../onnx/weights.ts'
import type { LatentScaling } from '../contract.ts'
import type { Json } from '../family.ts'
import { readJsonIfAny } from '../json.ts'
import { loadAutoencoderKinds } from '../registry.ts'
import type { OpenedAutoencoder } from './kind.ts'

const KEYS_SHOWN = 3

/** Keys have no prefix. A `config` of another class than the kinds here is not read; `scaling` is that of the model's latents, where it is known. Throws, naming the kinds, when the weights are none's. */
export async function openAutoencoderWeights(
  weights: Weights,
  config: Json | null,
  scaling?: LatentScaling,
): Promise<OpenedAutoencoder> {
  const kinds = await loadAutoencoderKinds()
  const told = kinds.find(({ name }) => name === config?.['_class_name'])
  for (const kind of told ? [told] : kinds) {
    const opened = kind.open(weights, told ? config : null, scaling)
    if (opened) return opened
  }
  const keys = [...weights.tensors.keys()].slice(0, KEYS_SHOWN).join(', ')
  throw new Error(
    `${weights.where}: no ${told ? told.name : 'known autoencoder'} (${weights.tensors.size} tensors: ${keys}, ...); ` +
      `known are ${kinds.map(({ name }) => name).join(', ')}`,
  )
}

/** Opens the `vae` folder of a diffusers model: config.json and weights. */
export async function openAutoencoder(folder: string): Promise<OpenedAutoencoder> {
  return openAutoencoderWeights(await openWeightsFolder(folder), await readJsonIfAny(join(folder, 'config.json')))
}
