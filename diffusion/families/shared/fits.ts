/** Recognises the checkpoints of a family: each of its layouts held against the file, by the configuration beside it and by the shapes alone. */
import type { Weights } from '../../onnx/weights.ts'
import type { Fit, Json, OpenedTransformer } from '../family.ts'
import type { NamedWeights } from './layers.ts'
import { fitOf, unfit, unprefixed, type Place } from './locate.ts'

/** What a family says of its checkpoints; C is its configuration. */
export interface Recognition<C, Layout extends string> {
  /** Family, for messages. */
  readonly name: string
  /** `_class_name` of its config.json. */
  readonly className: string
  readonly layouts: readonly Layout[]
  /** A key of each layout that no other family has. */
  readonly signs: readonly string[]
  /** Reads config.json; throws one error with all faults. */
  parse(json: Json, where: string): C
  /** From the shapes of a file, or null when they do not tell. */
  infer(tensors: Weights['tensors'], layout: Layout): C | null
  /** Every weight by one name. */
  shapes(config: C): ReadonlyMap<string, readonly number[]>
  /** Where a layout keeps a weight. */
  place(layout: Layout, name: string, config: C): Place
  /** `where` is the file, for messages. */
  open(config: C, weights: NamedWeights, where: string): OpenedTransformer
}

/** One fit a layout. The configuration counts if it is of this class: it may be another file's. */
export function fitsOf<C, Layout extends string>(
  family: Recognition<C, Layout>,
  weights: Weights,
  json: Json | null,
): readonly Fit[] {
  const tensors = unprefixed(weights.tensors, family.signs)
  const isOurs = json?.['_class_name'] === family.className
  const told = isOurs ? family.parse(json, `config.json of ${weights.where}`) : null
  const fit = (config: C | null, layout: Layout): Fit => {
    const label = `${family.name} (${layout} keys)`
    if (!config)
      return unfit(weights, label, 0, [`no config.json of a ${family.className} beside it, and no such layers`])
    return fitOf({
      ...{ label, weights, tensors },
      shapes: family.shapes(config),
      place: (name) => family.place(layout, name, config),
      places: (name) => family.layouts.map((other) => family.place(other, name, config)),
      open: (found) => family.open(config, found, weights.where),
    })
  }
  return family.layouts.map((layout) => {
    const byConfig = fit(told, layout)
    if (byConfig.share === 1) return byConfig
    const byShapes = fit(family.infer(tensors, layout), layout)
    return byShapes.share > byConfig.share ? byShapes : byConfig
  })
}

/** The size of a tensor along an axis, 0 where there is none. */
export const extentOf = (tensors: Weights['tensors'], key: string, axis: number): number =>
  tensors.get(key)?.shape[axis] ?? 0
