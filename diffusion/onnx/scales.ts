/** Joins the scales of float8 checkpoints to the weights that they belong to. */
import { sizeOf } from '../tensor.ts'
import type { StoredTensor, Weights } from './weights.ts'

type Tensors = Weights['tensors']

/** What ComfyUI's and others' checkpoints call the factor of `<layer>.weight`. */
const SCALE = /^(.*)\.(?:scale_weight|weight_scale)$/
/** Marks of float8 checkpoints that change nothing here: how products were to be computed, and with what inputs. */
const MARK = /(?:^|\.)(?:scaled_fp8|comfy_quant|scale_input|input_scale)$/

const isFloat8 = ({ dtype }: StoredTensor): boolean => dtype === 'F8_E4M3' || dtype === 'F8_E5M2'

/** One factor, or one a row. */
const suits = (scale: StoredTensor, { shape }: StoredTensor): boolean => {
  const count = sizeOf(scale.shape)
  return scale.dtype === 'F32' && (count === 1 || (count === shape[0] && scale.shape[0] === count))
}

/**
 * The tensors with each float8 weight knowing its scale, and without the scales and marks. A scale that fits no float8 weight stays: it is of
 * a quantisation that is not read here, and recognition says so.
 */
export function withScales(tensors: Tensors): Tensors {
  const scaled = new Map<string, StoredTensor>()
  const joined = new Set<string>()
  for (const [key, scale] of tensors) {
    const target = `${SCALE.exec(key)?.[1] ?? ''}.weight`
    const weight = tensors.get(target)
    if (!weight || !isFloat8(weight) || !suits(scale, weight) || target === '.weight') continue
    scaled.set(target, { ...weight, scale })
    joined.add(key)
  }
  if (![...tensors.keys()].some((key) => joined.has(key) || MARK.test(key))) return tensors
  const kept = [...tensors].filter(([key]) => !joined.has(key) && !MARK.test(key))
  return new Map(kept.map(([key, stored]) => [key, scaled.get(key) ?? stored]))
}
