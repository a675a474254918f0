/** What every autoencoder says of latents that are not its own. */

/** `name` is the autoencoder's, `expected` the shapes that it takes. */
export const foreignLatents = (name: string, shape: readonly number[], expected: string): Error =>
  new Error(
    `${name}: latents are [${shape.join(', ')}], expected ${expected}. Load the autoencoder that belongs to the model that made them.`,
  )
