/** Synthetic model parts for tests: shapes of CLIP, T5 and AutoencoderKL by diffusers' names, random weights, and the original keys of each. */
import { fluxPlace, fluxShapes } from '../../../diffusion/families/flux/keys.ts'
import type { FluxConfig } from '../../../diffusion/families/flux/config.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { sizeOf, type Tensor } from '../../../diffusion/tensor.ts'
import { encodeRaw } from '../onnx/encode-safetensors.ts'

export type Shapes = ReadonlyMap<string, readonly number[]>
export type Tensors = Readonly<Record<string, Tensor>>

/** Normal values scaled by the fan-in; norms near 1. */
export function randomTensors(shapes: Shapes, seed: bigint): Tensors {
  const made = [...shapes].map(([name, shape], i): [string, Tensor] => {
    const fan = Math.max(1, sizeOf(shape) / (shape[0] ?? 1))
    const isNorm = shape.length === 1 && name.endsWith('.weight')
    const noise = normalNoise(seed + BigInt(i), [Math.max(16, sizeOf(shape))]).data.slice(0, sizeOf(shape))
    return [name, { data: noise.map((x) => (isNorm ? 1 + 0.1 * x : x / Math.sqrt(fan))), shape }]
  })
  return Object.fromEntries(made)
}

/** A safetensors file of float32 tensors. */
export const encode = (tensors: Tensors): Uint8Array =>
  encodeRaw(
    Object.fromEntries(
      Object.entries(tensors).map(([name, { data, shape }]) => [
        name,
        { dtype: 'F32', shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) },
      ]),
    ),
  )

export const prefixed = (tensors: Tensors, prefix: string): Tensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, value]) => [prefix + name, value]))

/** Several weights one above the other. */
export const stacked = (parts: readonly Tensor[]): Tensor => ({
  data: new Float32Array(parts.flatMap(({ data }) => [...data])),
  shape: [parts.reduce((rows, { shape }) => rows + (shape[0] ?? 0), 0), ...parts[0]!.shape.slice(1)],
})

const linear = (shapes: Map<string, readonly number[]>, name: string, out: number, wide: number): void => {
  shapes.set(`${name}.weight`, [out, wide]).set(`${name}.bias`, [out])
}

export function clipShapes(width: number, layers: number, vocabulary: number, positions: number, projection: boolean) {
  const shapes = new Map<string, readonly number[]>()
  shapes.set('text_model.embeddings.token_embedding.weight', [vocabulary, width])
  shapes.set('text_model.embeddings.position_embedding.weight', [positions, width])
  for (let i = 0; i < layers; i++) {
    const layer = `text_model.encoder.layers.${i}`
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj'])
      linear(shapes, `${layer}.self_attn.${name}`, width, width)
    linear(shapes, `${layer}.mlp.fc1`, 4 * width, width)
    linear(shapes, `${layer}.mlp.fc2`, width, 4 * width)
    for (const norm of ['layer_norm1', 'layer_norm2'])
      shapes.set(`${layer}.${norm}.weight`, [width]).set(`${layer}.${norm}.bias`, [width])
  }
  shapes.set('text_model.final_layer_norm.weight', [width]).set('text_model.final_layer_norm.bias', [width])
  if (projection) shapes.set('text_projection.weight', [width, width])
  return shapes
}

/** CLIP as OpenCLIP keeps it: q, k and v in one, the projection the other way round. */
export function asOpenClip(clip: Tensors): Tensors {
  const out: Record<string, Tensor> = {}
  for (const [name, value] of Object.entries(clip)) {
    const layer = /^text_model\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)$/.exec(name)
    if (!layer) {
      const [rows = 0, columns = 0] = value.shape
      const flipped = {
        data: value.data.map((_, i) => value.data[(i % rows) * columns + Math.floor(i / rows)]!),
        shape: [columns, rows],
      }
      if (name === 'text_projection.weight') out['text_projection'] = flipped
      else if (name.includes('token_embedding')) out['token_embedding.weight'] = value
      else if (name.includes('position_embedding')) out['positional_embedding'] = value
      else out[name.replace('text_model.final_layer_norm', 'ln_final')] = value
      continue
    }
    const [, index, module = '', leaf = ''] = layer
    const block = `transformer.resblocks.${index}`
    const of = (one: string) => clip[`text_model.encoder.layers.${index}.self_attn.${one}.${leaf}`]!
    if (module === 'self_attn.q_proj')
      out[`${block}.attn.in_proj_${leaf}`] = stacked(['q_proj', 'k_proj', 'v_proj'].map(of))
    else if (module === 'self_attn.out_proj') out[`${block}.attn.out_proj.${leaf}`] = value
    else if (module.startsWith('layer_norm')) out[`${block}.ln_${module.slice(-1)}.${leaf}`] = value
    else if (module === 'mlp.fc1') out[`${block}.mlp.c_fc.${leaf}`] = value
    else if (module === 'mlp.fc2') out[`${block}.mlp.c_proj.${leaf}`] = value
  }
  return out
}

export function t5Shapes(width: number, layers: number, vocabulary: number): Shapes {
  const shapes = new Map<string, readonly number[]>([['shared.weight', [vocabulary, width]]])
  for (let i = 0; i < layers; i++) {
    const block = `encoder.block.${i}`
    for (const name of ['q', 'k', 'v', 'o']) shapes.set(`${block}.layer.0.SelfAttention.${name}.weight`, [width, width])
    if (i === 0) shapes.set(`${block}.layer.0.SelfAttention.relative_attention_bias.weight`, [32, width / 64])
    for (const layer of [0, 1]) shapes.set(`${block}.layer.${layer}.layer_norm.weight`, [width])
    for (const name of ['wi_0', 'wi_1'])
      shapes.set(`${block}.layer.1.DenseReluDense.${name}.weight`, [2 * width, width])
    shapes.set(`${block}.layer.1.DenseReluDense.wo.weight`, [width, 2 * width])
  }
  return shapes.set('encoder.final_layer_norm.weight', [width])
}

/** An AutoencoderKL without quantisation convolutions, one layer a stage. */
export function klShapes(widths: readonly number[], latent: number): Shapes {
  const shapes = new Map<string, readonly number[]>()
  const conv = (name: string, out: number, wide: number, size = 3) => {
    shapes.set(`${name}.weight`, [out, wide, size, size]).set(`${name}.bias`, [out])
  }
  const norm = (name: string, width: number) => shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width])
  const resnet = (name: string, wide: number, out: number) => {
    norm(`${name}.norm1`, wide)
    conv(`${name}.conv1`, out, wide)
    norm(`${name}.norm2`, out)
    conv(`${name}.conv2`, out, out)
    if (wide !== out) conv(`${name}.conv_shortcut`, out, wide, 1)
  }
  const middle = (side: string, width: number) => {
    for (const i of [0, 1]) resnet(`${side}.mid_block.resnets.${i}`, width, width)
    norm(`${side}.mid_block.attentions.0.group_norm`, width)
    for (const name of ['to_q', 'to_k', 'to_v', 'to_out.0'])
      linear(shapes, `${side}.mid_block.attentions.0.${name}`, width, width)
  }
  const last = widths.length - 1
  conv('encoder.conv_in', widths[0]!, 3)
  widths.forEach((width, i) => {
    resnet(`encoder.down_blocks.${i}.resnets.0`, widths[Math.max(0, i - 1)]!, width)
    if (i < last) conv(`encoder.down_blocks.${i}.downsamplers.0.conv`, width, width)
  })
  middle('encoder', widths[last]!)
  norm('encoder.conv_norm_out', widths[last]!)
  conv('encoder.conv_out', 2 * latent, widths[last]!)
  conv('decoder.conv_in', widths[last]!, latent)
  middle('decoder', widths[last]!)
  widths.forEach((_, i) => {
    const [before, width] = [widths[Math.min(last, last - i + 1)]!, widths[last - i]!]
    for (const layer of [0, 1]) resnet(`decoder.up_blocks.${i}.resnets.${layer}`, layer === 0 ? before : width, width)
    if (i < last) conv(`decoder.up_blocks.${i}.upsamplers.0.conv`, width, width)
  })
  norm('decoder.conv_norm_out', widths[0]!)
  conv('decoder.conv_out', 3, widths[0]!)
  return shapes
}

/** An AutoencoderKL under the keys of its original code, whose attention is made of 1 x 1 convolutions. */
export function asOriginalKl(vae: Tensors, stages: number): Tensors {
  const renamed = Object.entries(vae).map(([name, value]): [string, Tensor] => {
    const key = name
      .replace(/down_blocks\.(\d+)\.resnets\.(\d+)/, 'down.$1.block.$2')
      .replace(/up_blocks\.(\d+)\.resnets\.(\d+)/, (_, i, k) => `up.${stages - 1 - Number(i)}.block.${String(k)}`)
      .replace(/down_blocks\.(\d+)\.downsamplers\.0/, 'down.$1.downsample')
      .replace(/up_blocks\.(\d+)\.upsamplers\.0/, (_, i) => `up.${stages - 1 - Number(i)}.upsample`)
      .replace(/mid_block\.resnets\.0/, 'mid.block_1')
      .replace(/mid_block\.resnets\.1/, 'mid.block_2')
      .replace('mid_block.attentions.0.group_norm', 'mid.attn_1.norm')
      .replace(/mid_block\.attentions\.0\.to_([qkv])/, 'mid.attn_1.$1')
      .replace('mid_block.attentions.0.to_out.0', 'mid.attn_1.proj_out')
      .replace('conv_shortcut', 'nin_shortcut')
      .replace('conv_norm_out', 'norm_out')
    return [
      key,
      key.includes('attn_1') && value.shape.length === 2 ? { ...value, shape: [...value.shape, 1, 1] } : value,
    ]
  })
  return Object.fromEntries(renamed)
}

/** A FLUX of the published head size and two blocks. */
export const tinyFlux = (textWidth: number, pooledWidth: number): FluxConfig => ({
  patchChannels: 64,
  heads: 1,
  headSize: 128,
  width: 128,
  inner: 512,
  doubleBlocks: 1,
  singleBlocks: 1,
  textWidth,
  pooledWidth,
  guidance: true,
  axes: [16, 56, 56],
})

/** Its weights under one of its layouts' keys. */
export function fluxTensors(config: FluxConfig, seed: bigint, layout: 'diffusers' | 'original'): Tensors {
  const named = randomTensors(fluxShapes(config), seed)
  const placed = new Map<string, { row: number; value: Tensor }[]>()
  for (const [name, value] of Object.entries(named)) {
    const { key, row } = fluxPlace(layout, name, config)
    placed.set(key, [...(placed.get(key) ?? []), { row, value }])
  }
  return Object.fromEntries(
    [...placed].map(([key, parts]) => [key, stacked(parts.sort((a, b) => a.row - b.row).map(({ value }) => value))]),
  )
}
