/** Opens an all-in-one checkpoint: transformer, autoencoder and text encoders in one file under ComfyUI's or the authors' prefixes. */
import { basename } from 'node:path'
import { openWeights, type Weights } from '../onnx/weights.ts'
import type { Checkpoint, LatentFormat, TextEncoders } from './contract.ts'
import type { Family, Releasable } from './family.ts'
import { modelOf } from './model.ts'
import { recognise } from './recognise.ts'
import { fillSlots, findEncoders, type TokenizerFolders } from './text/find.ts'
import type { OpenedAutoencoder } from './vae/kind.ts'
import { openAutoencoderWeights } from './vae/open.ts'

/** What stands before the keys of an autoencoder. */
const VAE_PREFIXES = ['first_stage_model.', 'vae.']
/** What stands before the keys of a transformer in a file that holds more. */
const MODEL_PREFIX = 'model.diffusion_model.'

/** The autoencoder's part of a file, prefix taken off; null when there is none. */
export function autoencoderPart({ tensors, where }: Weights): Weights | null {
  const prefix = VAE_PREFIXES.find((one) => [...tensors.keys()].some((key) => key.startsWith(`${one}decoder.`)))
  if (prefix === undefined) return null
  const own = [...tensors]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, t]) => [key.slice(prefix.length), t] as const)
  return { where, tensors: new Map(own) }
}

/** Stands for a part that the file does not have; says so when it is used. */
const absent = (why: string) => (): Promise<never> => Promise.reject(new Error(why))

function absentAutoencoder(why: string, { channels, factor }: LatentFormat): OpenedAutoencoder {
  return { channels, factor, decode: absent(why), encode: absent(why), release: () => Promise.resolve() }
}

type OpenedText = TextEncoders & Releasable

async function textOf(weights: Weights, family: Family, tokenizers: TokenizerFolders): Promise<OpenedText> {
  const missing = (why: string): OpenedText => ({ encode: absent(why), release: () => Promise.resolve() })
  const encoders = await findEncoders(weights)
  if (!family.text || encoders.length === 0)
    return missing(
      `${weights.where} has no text encoders: open them with CLIPLoader, DualCLIPLoader or TripleCLIPLoader`,
    )
  try {
    const placed = encoders.map((found) => ({ found, beside: [], config: null }))
    return await family.text.open(fillSlots(family.text, placed, tokenizers, weights.where), { folder: null })
  } catch (error) {
    // The model and its autoencoder are of use with text encoders from elsewhere.
    return missing((error as Error).message)
  }
}

/** Reads headers and tokenizers now; sessions open when a part is first used. Throws UnknownModelError or an Error that names the file. */
export async function openSingleFile(
  path: string,
  tokenizers: TokenizerFolders,
  onPart: (done: number, parts: number) => void,
): Promise<Checkpoint & Releasable> {
  const weights = await openWeights(path)
  const recognised = await recognise(weights, null)
  const { family } = recognised
  onPart(1, 3)
  const part = autoencoderPart(weights)
  if (!part && ![...weights.tensors.keys()].some((key) => key.startsWith(MODEL_PREFIX)))
    throw new Error(
      `${path} holds a transformer alone (${recognised.fit.label}): put it into diffusion_models/ and open it with UNETLoader, ` +
        'its text encoders with CLIPLoader, its autoencoder with VAELoader',
    )
  const { scaling } = recognised.fit.open()
  const vae = part && (await openAutoencoderWeights(part, null, scaling))
  const model = modelOf(recognised, { name: basename(path), ...(vae ? { vae } : {}) })
  onPart(2, 3)
  const clip = await textOf(weights, family, tokenizers)
  onPart(3, 3)
  const decoder = vae ?? absentAutoencoder(`${path} has no autoencoder: open one with VAELoader`, model.latent)
  return {
    ...{ model, clip, vae: decoder },
    async release() {
      await model.transformer.release()
      await clip.release()
      await decoder.release()
    },
  }
}
