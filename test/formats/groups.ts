/** Classes, nodes and slots from which the tests of group nodes build their workflows. */

const required = (inputs: object, output: readonly string[], more: object = {}) => ({
  input: { required: inputs, ...more },
  output,
})
/** Sampler and Decode have gained an input and an output each since the groups were saved. */
export const CLASSES = {
  Loader: required({ name: [['a', 'b'], {}] }, ['MODEL', 'CLIP', 'VAE']),
  Encode: required({ text: ['STRING', { multiline: true }], clip: ['CLIP'] }, ['CONDITIONING']),
  Latent: required({ width: ['INT', { default: 64 }], height: ['INT', { default: 64 }] }, ['LATENT']),
  Sampler: required(
    {
      ...{ model: ['MODEL'], seed: ['INT', { default: 0 }], steps: ['INT', { default: 20 }] },
      ...{ positive: ['CONDITIONING'], negative: ['CONDITIONING'], latent: ['LATENT'] },
    },
    ['LATENT', 'CACHE_REPORT'],
    { optional: { cache: ['CACHE'], strength: ['FLOAT', { default: 1 }] } },
  ),
  Decode: required({ samples: ['LATENT'], vae: ['VAE'] }, ['IMAGE']),
  Save: required({ images: ['IMAGE'], prefix: ['STRING', { default: 'x' }] }, []),
}

export type Slot = readonly [name: string, type: string, link?: number | undefined, widget?: boolean]
const slots = (list: readonly Slot[]) =>
  list.map(([name, type, link, widget]) => ({
    name,
    type,
    link: link ?? null,
    ...(widget ? { widget: { name } } : {}),
  }))
export const node = (
  type: string,
  inputs: readonly Slot[],
  outputs: readonly string[],
  values?: readonly unknown[],
  more: object = {},
) => ({
  ...{ type, inputs: slots(inputs), outputs: outputs.map((one) => ({ name: one, type: one, links: null })), mode: 0 },
  ...(values ? { widgets_values: values } : {}),
  ...more,
})
export const loader = node('Loader', [], ['MODEL', 'CLIP', 'VAE'], ['a'])
export const encode = (text: string, more: object = {}) =>
  node('Encode', [['clip', 'CLIP']], ['CONDITIONING'], [text], more)
export const latent = node('Latent', [], ['LATENT'], [64, 64])
export const sampler = node(
  'Sampler',
  [
    ['model', 'MODEL'],
    ['positive', 'CONDITIONING'],
    ['negative', 'CONDITIONING'],
    ['latent', 'LATENT'],
  ],
  ['LATENT'],
  [0, 'randomize', 20],
)
export const decode = node(
  'Decode',
  [
    ['samples', 'LATENT'],
    ['vae', 'VAE'],
  ],
  ['IMAGE'],
)
export const save = node('Save', [['images', 'IMAGE']], [], ['x'])
export const reroute = node('Reroute', [['', '*']], ['*'])
