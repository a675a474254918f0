/** What the heads of transformer families have in common: the last norm, modulated by the time embedding, the projection, the outputs. */
import type { Graph, Value } from '../../onnx/graph.ts'
import { silu, split } from '../../onnx/ops.ts'
import { apply, at, modulated, pieces, type Modulation, type NamedWeights } from './layers.ts'

/** The last norm: of tokens `width` wide, with this epsilon. */
interface LastNorm {
  readonly width: number
  readonly epsilon: number
}

/** image [B, T, width], modulated and projected by `proj_out`: [B, T, values of a patch]. */
function projected(g: Graph, weights: NamedWeights, { width, epsilon }: LastNorm, modulation: Modulation): Value {
  const image = g.input('image', ['B', 'T', width])
  return apply(g, weights, 'proj_out', modulated(g, image, width, modulation, epsilon))
}

/** The inputs image [B, T, width] and temb [B, width] -> [B, T, values of a patch]; shift and scale are layers of silu(temb). */
export function adaptiveHead(g: Graph, weights: NamedWeights, norm: LastNorm): Value {
  const active = silu(g, g.input('temb', ['B', norm.width]))
  const half = (name: string): Value =>
    g.op('Unsqueeze', [apply(g, weights, `norm_out.${name}`, active, 2), g.ints([1])])
  return projected(g, weights, norm, { shift: half('shift'), scale: half('scale') })
}

/** The same inputs and output; shift and scale are temb plus rows of the stored `scale_shift_table`. */
export function tableHead(g: Graph, weights: NamedWeights, norm: LastNorm): Value {
  const temb = g.input('temb', ['B', norm.width])
  const table = g.weight({ ...at(weights, 'scale_shift_table'), shape: [2 * norm.width] })
  const both = g.op('Add', [g.op('Concat', [temb, temb], { axis: 1 }), table])
  const [shift, scale] = pieces(g, both, 2, norm.width)
  return projected(g, weights, norm, { shift: shift!, scale: scale! })
}

/** Gives out latent [B, outChannels, h, p, w, p] as the prediction and, where it is learned, the variance: [B, channels, h, p, w, p] each. */
export function outputPredictions(
  g: Graph,
  latent: Value,
  { channels, outChannels, patch }: { readonly channels: number; readonly outChannels: number; readonly patch: number },
): void {
  const halves = split(g, latent, new Array<number>(outChannels / channels).fill(channels), 1)
  for (const [i, name] of ['prediction', 'variance'].slice(0, halves.length).entries())
    g.output(name, halves[i]!, ['B', channels, 'h', patch, 'w', patch])
}
