/** A recognised transformer as the MODEL port carries it. */
import type { Autoencoder, DiffusionModel, LatentFormat, Parametrisation } from './contract.ts'
import type { ChangeWeights } from './changes.ts'
import type { OpenedTransformer } from './family.ts'
import type { Recognised } from './recognise.ts'

/** Pixels per latent cell where no autoencoder says it: that of every published image model with 4 or 16 channels. */
const USUAL_FACTOR = 8

/** What is known of a model beside its transformer's weights. */
export interface Surroundings {
  /** Where it came from, for messages and reports. */
  readonly name: string
  /** The autoencoder of the same checkpoint; latents are as the published models' where absent. */
  readonly vae?: Autoencoder
  /** How a latent cell looks. */
  readonly rgb?: LatentFormat['rgb']
  /** From a scheduler's configuration; the family's where absent. */
  readonly parametrisation?: (fallback: Parametrisation) => Parametrisation
}

/** Throws when the autoencoder is another model's. */
function latentOf(opened: OpenedTransformer, { name, vae, rgb }: Surroundings): LatentFormat {
  if (vae && vae.channels !== opened.latentChannels)
    throw new Error(
      `${name}: the transformer takes ${opened.latentChannels} latent channels, the vae has ${vae.channels}`,
    )
  const scaling = vae?.scaling ?? opened.scaling
  const temporalFactor = vae ? vae.temporalFactor : opened.temporalFactor
  return {
    channels: opened.latentChannels,
    factor: vae?.factor ?? USUAL_FACTOR,
    rgb: rgb ?? opened.rgb ?? null,
    ...(scaling ? { scaling } : {}),
    ...(temporalFactor === undefined ? {} : { temporalFactor }),
  }
}

/** Opens the transformer; it can be opened again with changes on its weights. */
export function modelOf({ family, fit }: Recognised, around: Surroundings): DiffusionModel {
  const opened = fit.open()
  const all =
    (changes: readonly ChangeWeights[]): ChangeWeights =>
    (model) =>
      changes.reduce((weights, one) => one({ ...model, weights }), model.weights)
  return {
    family: family.name,
    name: around.name,
    transformer: opened.transformer,
    parametrisation: around.parametrisation?.(opened.parametrisation) ?? opened.parametrisation,
    latent: latentOf(opened, around),
    reopen: (changes) => fit.open(all(changes)).transformer,
    changes: [],
  }
}
