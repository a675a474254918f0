/** What an autoencoder gives, as a LATENT. */
import type { Autoencoder } from '../../../diffusion/families/contract.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import type { Latent } from '../../ports.ts'

/** Latents in the scaling that `vae` gives them. */
export const encoded = (samples: Tensor, { scaling }: Autoencoder): Latent => ({
  samples,
  ...(scaling ? { scaling } : {}),
})
