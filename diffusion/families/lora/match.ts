/** Finds the layers of a model that a LoRA means, whichever of the model's layouts its names are from. */
import { rowsOf, type StoredTensor, type WeightChange } from '../../onnx/weights.ts'
import { sizeOf } from '../../tensor.ts'
import type { NamedModel, Role } from '../changes.ts'
import type { Lora, LoraLayer } from './read.ts'

/** What trainers put before the names of a transformer's layers; longest first. */
const TRANSFORMER = [
  'base_model.model.transformer.',
  'base_model.model.',
  'model.diffusion_model.',
  'diffusion_model.',
  'transformer.',
  'unet.',
  'lora_transformer_',
  'lora_unet_',
  'lycoris_',
]

/** The same for a text encoder: by its place among the family's encoders, its diffusers folder, or ComfyUI's name of it. */
function textPrefixes({ slot, index, folder }: Extract<Role, { kind: 'text' }>): readonly string[] {
  const numbered = [`lora_te${index + 1}_`, ...(index === 0 ? ['lora_te_'] : [])]
  return [`text_encoders.${slot}.transformer.`, `${slot}.transformer.`, `${folder}.`, ...numbered]
}

/** A weight's rows that a layer of a LoRA is about. */
interface Target {
  readonly weight: string
  /** Where its rows begin in the layer. */
  readonly row: number
}

const moduleOf = (key: string): string => key.replace(/\.weight$/, '')

/** Layers by name as one layout has them, with dots and, as kohya writes them, without. */
type Names = ReadonlyMap<string, readonly Target[]>

function namesOf(model: NamedModel, place: (name: string) => { key: string; row: number } | undefined): Names {
  const names = new Map<string, Target[]>()
  for (const weight of model.weights.keys()) {
    if (!weight.endsWith('.weight')) continue
    const at = place(weight)
    if (!at) continue
    const module = moduleOf(at.key)
    for (const name of new Set([module, module.replaceAll('.', '_')]))
      names.set(name, [...(names.get(name) ?? []), { weight, row: at.row }])
  }
  return names
}

/** The family's own names first, then each layout's. */
function layoutsOf(model: NamedModel): readonly Names[] {
  const [some] = model.weights.keys()
  const count = some === undefined ? 0 : model.places(some).length
  const own = namesOf(model, (key) => ({ key, row: 0 }))
  return [own, ...Array.from({ length: count }, (_, i) => namesOf(model, (name) => model.places(name)[i]))]
}

function targetsOf(module: string, prefixes: readonly string[], layouts: readonly Names[]): readonly Target[] {
  const bare = prefixes.filter((prefix) => module.startsWith(prefix)).map((prefix) => module.slice(prefix.length))
  for (const name of [...bare, module])
    for (const names of layouts) {
      const found = names.get(name)
      if (found) return found
    }
  return []
}

const extents = ({ shape }: StoredTensor): readonly [rows: number, columns: number] => {
  const rows = shape[0] ?? 1
  return [rows, sizeOf(shape) / Math.max(1, rows)]
}

/** The change of `rows` rows from `row` on, or null when the shapes do not fit. */
function changeOf(layer: LoraLayer, weight: StoredTensor, row: number, strength: number): WeightChange | null {
  const [rows, columns] = extents(weight)
  const { lowRank, weightDifference } = layer
  if (lowRank) {
    const { up, down, factor } = lowRank
    if ((up.shape[0] ?? 0) < row + rows || extents(down)[1] !== columns) return null
    return { kind: 'low rank', up: rowsOf(up, row, row + rows), down, factor: factor * strength }
  }
  if (!weightDifference || (weightDifference.shape[0] ?? 0) < row + rows) return null
  const difference = rowsOf(weightDifference, row, row + rows)
  return sizeOf(difference.shape) === sizeOf(weight.shape) ? { kind: 'full', difference, factor: strength } : null
}

const withChange = (weight: StoredTensor, change: WeightChange): StoredTensor => ({
  ...weight,
  changes: [...(weight.changes ?? []), change],
})

/** A model's weights with the changes on them, and what came of every layer. */
export interface Matched {
  readonly weights: ReadonlyMap<string, StoredTensor>
  /** Modules that were found. */
  readonly used: ReadonlySet<string>
  /** Modules that were found with other shapes: 'x: up [4, 2] and down [2, 8] on [16, 8]'. */
  readonly misfits: readonly string[]
}

const shapeText = (tensor: StoredTensor | undefined | null): string => `[${tensor?.shape.join(', ') ?? ''}]`

/** Puts every layer of `lora` that `model` has on its weights, `strength` times. */
export function matchLora(lora: Lora, model: NamedModel, strength: number): Matched {
  const { role } = model
  const prefixes = role.kind === 'transformer' ? TRANSFORMER : textPrefixes(role)
  const layouts = layoutsOf(model)
  const weights = new Map(model.weights)
  const used = new Set<string>()
  const misfits: string[] = []
  for (const layer of lora.layers) {
    const isNamed = prefixes.some((prefix) => layer.module.startsWith(prefix))
    // A bare name may be a transformer's; those of text encoders are always told by a prefix.
    if (role.kind === 'text' && !isNamed) continue
    for (const { weight: name, row } of targetsOf(layer.module, prefixes, layouts)) {
      const weight = weights.get(name)
      if (!weight) continue
      used.add(layer.module)
      const change = changeOf(layer, weight, row, strength)
      if (change) weights.set(name, withChange(weight, change))
      else if (layer.lowRank ?? layer.weightDifference) {
        const { up, down } = layer.lowRank ?? {}
        misfits.push(
          `${layer.module}: ${shapeText(up ?? layer.weightDifference)} ${shapeText(down)} on ${shapeText(weight)}`,
        )
      }
      const bias = weights.get(name.replace(/weight$/, 'bias'))
      const [rows] = extents(weight)
      if (bias && layer.biasDifference && (layer.biasDifference.shape[0] ?? 0) >= row + rows) {
        const difference = rowsOf(layer.biasDifference, row, row + rows)
        weights.set(name.replace(/weight$/, 'bias'), withChange(bias, { kind: 'full', difference, factor: strength }))
      }
    }
  }
  return { weights, used, misfits }
}
