/** How weights are changed before a model is built of them: what LoRAs see of a model, and what they give back. */
import type { StoredTensor } from '../onnx/weights.ts'

/** Where a weight starts: a tensor of the file, and the first of its rows. */
export interface Place {
  readonly key: string
  readonly row: number
}

/** Which part of a checkpoint the weights are of. */
export type Role =
  | { readonly kind: 'transformer' }
  | {
      readonly kind: 'text'
      /** Name of the slot, its place among the family's slots, and its folder in diffusers layout. */
      readonly slot: string
      readonly index: number
      readonly folder: string
    }

/** Weights under a family's own names, and where each of its published layouts keeps one: LoRAs name layers by either. */
export interface NamedModel {
  readonly role: Role
  readonly weights: ReadonlyMap<string, StoredTensor>
  /** One place a layout, in the same order for all weights. */
  places(name: string): readonly Place[]
}

/** Gives the weights with changes put on them; files stay as they are. */
export type ChangeWeights = (model: NamedModel) => ReadonlyMap<string, StoredTensor>
