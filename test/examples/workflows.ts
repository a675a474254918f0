/** ComfyUI's published example workflows, one per model family, written anew: the same node classes, wiring and widgets, as the editor saves them. */

/** A node by its class: links by input name to 'node:slot', and the values of its widgets in order. */
export interface Placed {
  readonly type: string
  readonly links?: Readonly<Record<string, readonly [from: number, slot: number, type: string]>>
  readonly widgets?: readonly unknown[]
}

/** Nodes by id. */
export type Placing = Readonly<Record<number, Placed>>

/** The file that the editor would save (version 0.4). */
export function saved(nodes: Placing): unknown {
  const links: unknown[][] = []
  const entries = Object.entries(nodes).map(([id, { type, links: given = {}, widgets = [] }], order) => {
    const inputs = Object.entries(given).map(([name, [from, slot, kind]], at) => {
      links.push([links.length + 1, from, slot, Number(id), at, kind])
      return { name, type: kind, link: links.length }
    })
    return {
      id: Number(id),
      type,
      pos: [0, 0],
      size: [200, 100],
      flags: {},
      order,
      mode: 0,
      inputs,
      widgets_values: widgets,
    }
  })
  const outputsOf = (id: number) => {
    const own = links.filter(([, from]) => from === id)
    const slots = Math.max(0, ...own.map(([, , slot]) => Number(slot) + 1))
    return Array.from({ length: slots }, (_, slot) => {
      const leaving = own.filter(([, , at]) => at === slot)
      return { name: `${slot}`, type: leaving[0]?.[5] ?? '*', links: leaving.map(([link]) => link) }
    })
  }
  const withOutputs = entries.map((node) => ({ ...node, outputs: outputsOf(node.id) }))
  return {
    last_node_id: 99,
    last_link_id: links.length,
    nodes: withOutputs,
    links,
    groups: [],
    config: {},
    extra: {},
    version: 0.4,
  }
}

const [MODEL, CLIP, VAE, COND, LATENT, IMAGE, MASK] = [
  'MODEL',
  'CLIP',
  'VAE',
  'CONDITIONING',
  'LATENT',
  'IMAGE',
  'MASK',
]
const SIZE = 32

/** Loader 1, prompts 2 and 3, latent 4, sampler 5, decoder 6, file 7: the default workflow. */
const textToImage = (checkpoint: string, blank: string, sampler: readonly unknown[]): Placing => ({
  1: { type: 'CheckpointLoaderSimple', widgets: [checkpoint] },
  2: { type: 'CLIPTextEncode', links: { clip: [1, 1, CLIP] }, widgets: ['ab c'] },
  3: { type: 'CLIPTextEncode', links: { clip: [1, 1, CLIP] }, widgets: ['d'] },
  4: { type: blank, widgets: [SIZE, SIZE, 1] },
  5: {
    type: 'KSampler',
    links: { model: [1, 0, MODEL], positive: [2, 0, COND], negative: [3, 0, COND], latent_image: [4, 0, LATENT] },
    widgets: sampler,
  },
  6: { type: 'VAEDecode', links: { samples: [5, 0, LATENT], vae: [1, 2, VAE] } },
  7: { type: 'SaveImage', links: { images: [6, 0, IMAGE] }, widgets: ['ComfyUI'] },
})

const SD15 = 'v1-5-pruned-emaonly-fp16.safetensors'
const sd15 = textToImage(SD15, 'EmptyLatentImage', [156680208700286, 'randomize', 6, 8, 'euler', 'normal', 1])

const fluxDev: Placing = {
  10: { type: 'VAELoader', widgets: ['ae.safetensors'] },
  11: { type: 'DualCLIPLoader', widgets: ['t5xxl_fp16.safetensors', 'clip_l.safetensors', 'flux', 'default'] },
  12: { type: 'UNETLoader', widgets: ['flux1-dev.safetensors', 'default'] },
  6: { type: 'CLIPTextEncode', links: { clip: [11, 0, CLIP] }, widgets: ['red house'] },
  26: { type: 'FluxGuidance', links: { conditioning: [6, 0, COND] }, widgets: [3.5] },
  27: { type: 'EmptySD3LatentImage', widgets: [SIZE, SIZE, 1] },
  30: { type: 'ModelSamplingFlux', links: { model: [12, 0, MODEL] }, widgets: [1.15, 0.5, SIZE, SIZE] },
  25: { type: 'RandomNoise', widgets: [219670278747233, 'randomize'] },
  16: { type: 'KSamplerSelect', widgets: ['euler'] },
  17: { type: 'BasicScheduler', links: { model: [30, 0, MODEL] }, widgets: ['simple', 6, 1] },
  22: { type: 'BasicGuider', links: { model: [30, 0, MODEL], conditioning: [26, 0, COND] } },
  13: {
    type: 'SamplerCustomAdvanced',
    links: {
      noise: [25, 0, 'NOISE'],
      guider: [22, 0, 'GUIDER'],
      sampler: [16, 0, 'SAMPLER'],
      sigmas: [17, 0, 'SIGMAS'],
      latent_image: [27, 0, LATENT],
    },
  },
  8: { type: 'VAEDecode', links: { samples: [13, 0, LATENT], vae: [10, 0, VAE] } },
  9: { type: 'SaveImage', links: { images: [8, 0, IMAGE] }, widgets: ['ComfyUI'] },
  34: { type: 'Note', widgets: ['The text of a note.'] },
}

/** SDXL with the steps of one schedule in two samplers, as base and refiner share them. */
const sdxl: Placing = {
  ...textToImage('sd_xl_base_1.0.safetensors', 'EmptyLatentImage', []),
  5: {
    type: 'KSamplerAdvanced',
    links: { model: [1, 0, MODEL], positive: [2, 0, COND], negative: [3, 0, COND], latent_image: [4, 0, LATENT] },
    widgets: ['enable', 721897303308196, 'randomize', 6, 8, 'euler', 'normal', 0, 4, 'enable'],
  },
  8: {
    type: 'KSamplerAdvanced',
    links: { model: [1, 0, MODEL], positive: [2, 0, COND], negative: [3, 0, COND], latent_image: [5, 0, LATENT] },
    widgets: ['disable', 0, 'fixed', 6, 8, 'euler', 'normal', 4, 10000, 'disable'],
  },
  6: { type: 'VAEDecode', links: { samples: [8, 0, LATENT], vae: [1, 2, VAE] } },
}

/** SD3.5 with the negative prompt zeroed out. */
const sd35: Placing = {
  ...textToImage('sd3.5_large_fp8_scaled.safetensors', 'EmptySD3LatentImage', [
    ...[585483408983215, 'randomize', 6, 4.01, 'euler', 'sgm_uniform', 1],
  ]),
  3: { type: 'ConditioningZeroOut', links: { conditioning: [2, 0, COND] } },
}

const imageToImage: Placing = {
  ...sd15,
  4: { type: 'VAEEncode', links: { pixels: [10, 0, IMAGE], vae: [1, 2, VAE] } },
  5: { ...sd15[5]!, widgets: [280823642470253, 'randomize', 6, 8, 'dpmpp_2m', 'normal', 0.87] },
  10: { type: 'LoadImage', widgets: ['example.png', 'image'] },
}

const inpaint: Placing = {
  ...imageToImage,
  4: {
    type: 'VAEEncodeForInpaint',
    links: { pixels: [10, 0, IMAGE], vae: [1, 2, VAE], mask: [10, 1, MASK] },
    widgets: [2],
  },
  5: { ...sd15[5]!, widgets: [1040111309094545, 'randomize', 6, 8, 'uni_pc_bh2', 'normal', 1] },
}

/** Text-to-image, then larger: a second pass over the upscaled latent. */
const upscale: Placing = {
  ...sd15,
  11: { type: 'LatentUpscale', links: { samples: [5, 0, LATENT] }, widgets: ['nearest-exact', 64, 64, 'disabled'] },
  12: {
    type: 'KSampler',
    links: { model: [1, 0, MODEL], positive: [2, 0, COND], negative: [3, 0, COND], latent_image: [11, 0, LATENT] },
    widgets: [469771404043268, 'randomize', 6, 8, 'dpmpp_sde', 'simple', 0.5],
  },
  6: { type: 'VAEDecode', links: { samples: [12, 0, LATENT], vae: [1, 2, VAE] } },
}

/** By name; `size` is that of the picture, in cells of a latent. */
export const EXAMPLES: Readonly<Record<string, { readonly nodes: Placing; readonly cells: number }>> = {
  'SD 1.5 text to image': { nodes: sd15, cells: 4 },
  'SD 1.5 image to image': { nodes: imageToImage, cells: 8 },
  'SD 1.5 inpainting': { nodes: inpaint, cells: 8 },
  'SD 1.5 second pass': { nodes: upscale, cells: 8 },
  'SDXL base and refiner steps': { nodes: sdxl, cells: 4 },
  'SD3.5 text to image': { nodes: sd35, cells: 4 },
  'FLUX.1 dev': { nodes: fluxDev, cells: 4 },
  'FLUX.1 schnell': {
    nodes: textToImage('flux1-schnell-fp8.safetensors', 'EmptySD3LatentImage', [
      ...[173805153958730, 'randomize', 4, 1, 'euler', 'simple', 1],
    ]),
    cells: 4,
  },
}
