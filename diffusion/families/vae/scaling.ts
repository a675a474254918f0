/** Autoencoders whose files do not say how latents are scaled: they go by what they are told of each latent. */
import { tensor, type Tensor } from '../../tensor.ts'
import type { LatentScaling } from '../contract.ts'
import type { OpenedAutoencoder } from './kind.ts'

/** Where scale and shift leave a latent as it is. */
export const UNSCALED: LatentScaling = { scale: 1, shift: 0 }

/** Latents in one scaling as they are in another; blank ones stay blank, as ComfyUI has it. */
export function rescaled(latent: Tensor, from: LatentScaling, to: LatentScaling): Tensor {
  const isSame = from.scale === to.scale && from.shift === to.shift
  if (isSame || latent.data.every((value) => value === 0)) return latent
  const [factor, offset] = [to.scale / from.scale, (from.shift - to.shift) * to.scale]
  return tensor(
    latent.data.map((value) => value * factor + offset),
    latent.shape,
  )
}

/** `raw` gives and takes latents unscaled; the result does in `usual` scaling, and takes any it is told of. */
export function scalable(raw: OpenedAutoencoder, usual: LatentScaling): OpenedAutoencoder {
  return {
    factor: raw.factor,
    channels: raw.channels,
    scaling: usual,
    decode: (latent, scaling = usual) => raw.decode(rescaled(latent, scaling, UNSCALED)),
    encode: async (pixels) => rescaled(await raw.encode(pixels), UNSCALED, usual),
    release: () => raw.release(),
  }
}
