/** The units of a U-Net as pieces of graph over [B, channels, H, W]: resnets, stacks of attention, and the ways between levels. */
import type { Graph, Value } from '../../onnx/graph.ts'
import { attention, conv2d, geluErf, groupNorm, layerNorm, linear, silu, split, type Linear } from '../../onnx/ops.ts'
import { apply, at, cellsToTokens, type NamedWeights } from '../shared/layers.ts'
import type { UnetConfig } from './config.ts'
import { MLP_RATIO } from './keys.ts'
import type { Layer, Unit } from './units.ts'

/** Of the norm before a stack of attention and of the norms inside, in all published models. */
const STACK_EPSILON = 1e-6
const BLOCK_EPSILON = 1e-5
const NONE = [0, 0, 0, 0]
const SAME = [1, 1, 1, 1]

/** What the builders need to know of a model. */
export interface UnetParts {
  readonly config: UnetConfig
  /** By the names of `unetShapes`. */
  readonly weights: NamedWeights
}

/** A graph under construction, and inputs of it that exist once they are asked for. */
export interface Builder extends UnetParts {
  readonly g: Graph
  /** silu of the time embedding [B, timeWidth]. */
  active(): Value
  /** Text [B, L, textWidth]. */
  context(): Value
  /** Skip tensor `index` [B, its width, H, W]. */
  skip(index: number): Value
}

const named = ({ weights }: UnetParts, name: string): Linear => ({
  weight: at(weights, `${name}.weight`),
  bias: weights.get(`${name}.bias`) ?? null,
})

export const conv = (g: Graph, parts: UnetParts, name: string, x: Value, pads: readonly number[], stride = 1): Value =>
  conv2d(g, x, named(parts, name), pads, stride)

/** Pads that keep the size under a kernel of so many cells. */
export const around = (kernel: number): readonly number[] => new Array<number>(4).fill((kernel - 1) >> 1)

export const norm = (g: Graph, { config, weights }: UnetParts, name: string, x: Value, epsilon: number): Value =>
  groupNorm(g, x, at(weights, `${name}.weight`), at(weights, `${name}.bias`), config.groups, epsilon)

/** [B, values] -> [B, values, 1, 1]. */
const overCells = (g: Graph, row: Value): Value => g.op('Unsqueeze', [row, g.ints([2, 3])])

function timed(b: Builder, { resnet, out }: Layer, x: Value): Value {
  const { g, config, weights } = b
  const row = apply(g, weights, `${resnet}.time_emb_proj`, b.active(), 2)
  const normed = (value: Value): Value => norm(g, b, `${resnet}.norm2`, value, config.epsilon)
  if (!config.timeScales) return normed(g.op('Add', [x, overCells(g, row)]))
  const [scale, shift] = split(g, row, [out, out]).map((half) => overCells(g, half)) as [Value, Value]
  return g.op('Add', [g.op('Mul', [normed(x), g.op('Add', [scale, g.constant([1])])]), shift])
}

function resnet(b: Builder, layer: Layer, x: Value, divisor: number): Value {
  const { g, config } = b
  const { resnet: name, wide, out } = layer
  const first = conv(g, b, `${name}.conv1`, silu(g, norm(g, b, `${name}.norm1`, x, config.epsilon)), SAME)
  const second = conv(g, b, `${name}.conv2`, silu(g, timed(b, layer, first)), SAME)
  const shortcut = wide === out ? x : conv(g, b, `${name}.conv_shortcut`, x, NONE)
  const sum = g.op('Add', [shortcut, second])
  return divisor === 1 ? sum : g.op('Mul', [sum, g.constant([1 / divisor])])
}

/** tokens [B, H W, width] -> [B, width, H, W] with the sides of `like`. */
export function tokensToCells(g: Graph, tokens: Value, width: number, like: Value): Value {
  const sides = g.once(`sides ${like.name}`, () => g.op('Shape', [like], { start: 2, end: 4 }))
  const shape = g.once(`cells ${sides.name} ${width}`, () => g.op('Concat', [g.ints([0, width]), sides], { axis: 0 }))
  return g.op('Reshape', [g.op('Transpose', [tokens], { perm: [0, 2, 1] }), shape])
}

/** One attention over tokens `x`, looking at `to`. */
function attend({ g, weights }: Builder, attn: string, heads: number, x: Value, to: Value): Value {
  const [q, k, v] = [x, to, to].map((from, i) => apply(g, weights, `${attn}.${['to_q', 'to_k', 'to_v'][i]!}`, from))
  return apply(g, weights, `${attn}.to_out.0`, attention(g, q!, k!, v!, { heads }))
}

/** Self-attention, attention to the text, and a feed-forward whose half is gated by the other (Rombach et al. 2022, appendix E.2). */
function transformerBlock(b: Builder, block: string, width: number, stack: NonNullable<Layer['attention']>, x: Value) {
  const { g, weights } = b
  const normed = (name: string, value: Value): Value => {
    const [weight, bias] = ['weight', 'bias'].map((leaf) => at(weights, `${block}.${name}.${leaf}`))
    return layerNorm(g, value, weight!, bias!, BLOCK_EPSILON)
  }
  const { heads, crossOnly } = stack
  const first = normed('norm1', x)
  const own = g.op('Add', [attend(b, `${block}.attn1`, heads, first, crossOnly ? b.context() : first), x])
  const crossed = g.op('Add', [attend(b, `${block}.attn2`, heads, normed('norm2', own), b.context()), own])
  const both = apply(g, weights, `${block}.ff.net.0.proj`, normed('norm3', crossed))
  const [inner, gate] = split(g, both, [MLP_RATIO * width, MLP_RATIO * width]) as [Value, Value]
  return g.op('Add', [apply(g, weights, `${block}.ff.net.2`, g.op('Mul', [inner, geluErf(g, gate)])), crossed])
}

/** A linear layer whose weight may be kept as a 1 x 1 convolution's. */
function project(b: Builder, name: string, x: Value): Value {
  const { weight, bias } = named(b, name)
  return linear(b.g, x, { weight: { ...weight, shape: weight.shape.slice(0, 2) }, bias }, 3)
}

function attended(b: Builder, stack: NonNullable<Layer['attention']>, width: number, x: Value): Value {
  const { g } = b
  const { name, depth } = stack
  let tokens = project(b, `${name}.proj_in`, cellsToTokens(g, norm(g, b, `${name}.norm`, x, STACK_EPSILON), width))
  for (let i = 0; i < depth; i++) tokens = transformerBlock(b, `${name}.transformer_blocks.${i}`, width, stack, tokens)
  return g.op('Add', [tokensToCells(g, project(b, `${name}.proj_out`, tokens), width, x), x])
}

function layer(b: Builder, one: Layer, x: Value, divisor = b.config.divisors.levels): Value {
  const value = resnet(b, one, x, divisor)
  return one.attention ? attended(b, one.attention, one.out, value) : value
}

/** Repeats values until the sides are those of `like`: twice as many, or one fewer where a side was odd on the way down. */
function enlarged({ g }: Builder, x: Value, like: Value): Value {
  const lead = g.op('Shape', [x], { start: 0, end: 2 })
  const sizes = g.op('Concat', [lead, g.op('Shape', [like], { start: 2, end: 4 })], { axis: 0 })
  const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
  return g.op('Resize', [x, null, null, sizes], attributes)
}

/** Runs one unit on [B, channels, H, W]. */
export function runUnit(b: Builder, unit: Unit, x: Value): Value {
  const { g, config } = b
  switch (unit.kind) {
    case 'down':
      return layer(b, unit.layer, x)
    case 'shrink':
      return conv(
        g,
        b,
        unit.conv,
        x,
        config.downPadding === 0 ? [0, 0, 1, 1] : new Array<number>(4).fill(config.downPadding),
        2,
      )
    case 'middle': {
      const first = layer(b, unit.layer, x, config.divisors.middle)
      return unit.after ? layer(b, unit.after, first, config.divisors.middle) : first
    }
    case 'up': {
      const value = layer(b, unit.layer, g.op('Concat', [x, b.skip(unit.skip)], { axis: 1 }))
      return unit.enlarge ? conv(g, b, unit.enlarge, enlarged(b, value, b.skip(unit.skip - 1)), SAME) : value
    }
  }
}
