/** CLIPVisionModel: its sizes and its graph. */
import { Graph, type Model, type Value } from '../../onnx/graph.ts'
import { conv2d, layerNorm, linear } from '../../onnx/ops.ts'
import type { Weights } from '../../onnx/weights.ts'
import type { Json } from '../family.ts'
import { Fields } from '../json.ts'
import type { WeightLookup } from '../lookup.ts'
import { clipLayer, type ClipConfig } from '../text/clip.ts'

export interface ClipVisionConfig extends Pick<ClipConfig, 'width' | 'heads' | 'layers' | 'epsilon' | 'activation'> {
  /** Side of the pictures in pixels. */
  readonly size: number
  /** Side of a patch in pixels. */
  readonly patch: number
}

/** From the config.json of a CLIPVisionModel, or of a whole CLIPModel; `where` stands in front of the error that lists all faults. */
export function parseClipVisionConfig(json: Json, where: string): ClipVisionConfig {
  const inner = json['vision_config']
  const own = typeof inner === 'object' && inner !== null ? (inner as Json) : json
  const fields = new Fields(own, where)
  if (own === json) fields.choice('model_type', ['clip_vision_model'], 'clip_vision_model')
  const config: ClipVisionConfig = {
    width: fields.count('hidden_size', 768),
    heads: fields.count('num_attention_heads', 12),
    layers: fields.count('num_hidden_layers', 12),
    epsilon: fields.number('layer_norm_eps', 1e-5),
    activation: fields.choice('hidden_act', ['quick_gelu', 'gelu'], 'quick_gelu'),
    size: fields.count('image_size', 224),
    patch: fields.count('patch_size', 32),
  }
  fields.require(fields.count('num_channels', 3) === 3, 'num_channels must be 3 (RGB pictures)')
  fields.require(config.width % config.heads === 0, 'hidden_size must be a multiple of num_attention_heads')
  fields.require(config.size % config.patch === 0, 'image_size must be a multiple of patch_size')
  fields.done()
  return config
}

const EMBEDDINGS = 'vision_model.embeddings'
/** A key that every file of this kind has. */
export const CLIP_VISION_SIGN = `${EMBEDDINGS}.patch_embedding.weight`
const PLACES = `${EMBEDDINGS}.position_embedding.weight`
/** Heads and activation of the published models by width: B, L (OpenAI), H, bigG (OpenCLIP). They leave no trace in the weights. */
const PUBLISHED: Readonly<Record<number, Pick<ClipVisionConfig, 'heads' | 'activation'>>> = {
  768: { heads: 12, activation: 'quick_gelu' },
  1024: { heads: 16, activation: 'quick_gelu' },
  1280: { heads: 16, activation: 'gelu' },
  1664: { heads: 16, activation: 'gelu' },
}

/** From the shapes of a file. Throws when they are no published model's. */
export function inferClipVisionConfig({ tensors, where }: Weights): ClipVisionConfig {
  const [width = 0, , patch = 0] = tensors.get(CLIP_VISION_SIGN)?.shape ?? []
  const published = PUBLISHED[width]
  if (!published) throw new Error(`${where}: a CLIP vision model of width ${width} needs its config.json beside it`)
  let layers = 0
  while (tensors.has(`vision_model.encoder.layers.${layers}.layer_norm1.weight`)) layers++
  const side = Math.sqrt((tensors.get(PLACES)?.shape[0] ?? 0) - 1)
  if (!Number.isInteger(side)) throw new Error(`${where}: '${PLACES}' must have one row more than a square`)
  return { width, layers, ...published, epsilon: 1e-5, size: side * patch, patch }
}

/** Of CLIPVisionModelWithProjection, which projects the class token. */
const PROJECTION = 'visual_projection.weight'

/**
 * pixels [B, 3, size, size], normalised -> last [B, 1 + patches, width], penultimate (before the last layer), pooled [B, width] (the normed
 * class token) and, where the weights have a projection, projected [B, P]; with taps `hidden.k` after k layers as well.
 */
export function clipVisionGraph(c: ClipVisionConfig, weights: WeightLookup, taps = false): Model {
  const g = new Graph()
  const at = weights.in('vision_model')
  const norm = (name: string, x: Value): Value =>
    layerNorm(g, x, at.at(`${name}.weight`), at.at(`${name}.bias`), c.epsilon)
  const pixels = g.input('pixels', ['B', 3, c.size, c.size])
  const cells = conv2d(g, pixels, at.linear('embeddings.patch_embedding'), [0, 0, 0, 0], c.patch)
  const patches = g.op('Transpose', [g.op('Reshape', [cells, g.ints([0, c.width, -1])])], { perm: [0, 2, 1] })
  const first = g.weight({ ...at.at('embeddings.class_embedding'), shape: [1, 1, c.width] })
  const batch = g.op('Shape', [pixels], { start: 0, end: 1 })
  const firsts = g.op('Expand', [first, g.op('Concat', [batch, g.ints([1, 1])], { axis: 0 })])
  const tokens = g.op('Concat', [firsts, patches], { axis: 1 })
  const placed = g.op('Add', [tokens, g.weight(at.at('embeddings.position_embedding.weight', 2))])
  // The published name lacks an e.
  let x = norm('pre_layrnorm', placed)
  const states = ['B', 'T', c.width]
  for (let i = 0; i < c.layers; i++) {
    if (taps) g.output(`hidden.${i}`, x, states)
    if (i + 1 === c.layers) g.output('penultimate', x, states)
    x = clipLayer(g, c, at.in(`encoder.layers.${i}`), x, null)
  }
  if (taps) g.output(`hidden.${c.layers}`, x, states)
  g.output('last', x, states)
  const pooled = norm('post_layernorm', g.op('Gather', [x, g.op('Squeeze', [g.ints([0])])], { axis: 1 }))
  g.output('pooled', pooled, ['B', c.width])
  if (weights.has(PROJECTION)) {
    const projection = weights.at(PROJECTION, 2)
    const projected = linear(g, pooled, { weight: projection, bias: null }, 2)
    g.output('projected', projected, ['B', projection.shape[0] ?? 0])
  }
  return g.build()
}
