/** What lies outside the blocks of a FLUX transformer as graphs: text, embed, the modulated input, head. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { TIME_CHANNELS } from './config.ts'
import { apply, embedMlp, modulated, type FluxParts } from './layers.ts'
import { firstModulation, headModulation, type ModulationSource } from './modulation.ts'

/** What depends on the prompt only: tokens [B, L, textWidth], pooled, guidance features -> text [B, L, width], vector [B, width]. */
export function textGraph(parts: FluxParts): Model {
  const { config: c } = parts
  const g = new Graph()
  const text = apply(g, parts, 'context_embedder', g.input('tokens', ['B', 'L', c.textWidth]))
  let vector = embedMlp(g, parts, 'time_text_embed.text_embedder', g.input('pooled', ['B', c.pooledWidth]))
  if (c.guidance) {
    const features = g.input('guidance', ['B', TIME_CHANNELS])
    vector = g.op('Add', [embedMlp(g, parts, 'time_text_embed.guidance_embedder', features), vector])
  }
  g.output('text', text, ['B', 'L', c.width])
  g.output('vector', vector, ['B', c.width])
  return g.build()
}

/** patches [B, C, h, 2, w, 2] -> image [B, h w, width]. */
export function embedGraph(parts: FluxParts): Model {
  const { config: c } = parts
  const g = new Graph()
  const patches = g.input('patches', ['B', c.patchChannels / 4, 'h', 2, 'w', 2])
  const packed = g.op('Reshape', [
    g.op('Transpose', [patches], { perm: [0, 2, 4, 1, 3, 5] }),
    g.ints([0, -1, c.patchChannels]),
  ])
  g.output('image', apply(g, parts, 'x_embedder', packed), ['B', 'T', c.width])
  return g.build()
}

/** image, mods or temb, and the shape [0, h, w, C, 2, 2] -> prediction [B, C, h, 2, w, 2]. */
export function headGraph(parts: FluxParts, source: ModulationSource): Model {
  const { config: c } = parts
  const g = new Graph()
  const image = g.input('image', ['B', 'T', c.width])
  const [shift, scale] = headModulation(g, parts, source) as [Value, Value]
  const shape = g.input('grid', [6], 'i64')
  const normed = modulated(g, image, c.width, shift, scale)
  const cells = g.op('Reshape', [apply(g, parts, 'proj_out', normed), shape])
  const latent = g.op('Transpose', [cells], { perm: [0, 3, 1, 4, 2, 5] })
  g.output('prediction', latent, ['B', c.patchChannels / 4, 'h', 2, 'w', 2])
  return g.build()
}

/** image, mods or temb -> modulated [B, T, width]: what the first block's attention takes of the image. Of its modulation, the part needed. */
export function modulatedGraph(parts: FluxParts, source: ModulationSource): Model {
  const { config: c } = parts
  const g = new Graph()
  const image = g.input('image', ['B', 'T', c.width])
  const [shift, scale] = firstModulation(g, parts, source) as [Value, Value]
  g.output('modulated', modulated(g, image, c.width, shift, scale), ['B', 'T', c.width])
  return g.build()
}
