/** Nodes that put another time shift on a flow model. */
import type { DiffusionModel } from '../../../diffusion/families/contract.ts'
import { port } from '../../ports.ts'
import { float } from '../../spec.ts'

export const shiftInputs = (value: number) => ({
  model: port('MODEL', { help: 'A flow model; it is not changed, the output is a new one.' }),
  shift: float({ default: value, min: 0, max: 100, step: 0.01, help: 'Above 1 spends more steps at high noise.' }),
})

export const shiftOutputs = { MODEL: 'MODEL' } as const

/** The model with another shift. Throws, naming the node, for a model that is no flow model, and for no shift. */
export function shifted(node: string, model: DiffusionModel, shift: number): DiffusionModel {
  const { parametrisation } = model
  if (parametrisation.kind !== 'flow')
    throw new Error(
      `${node}: ${model.name} predicts '${parametrisation.kind}' and has no time shift; only flow models have one`,
    )
  if (!(shift > 0)) throw new Error(`${node}: expected a shift above 0, received ${shift}`)
  return { ...model, parametrisation: { ...parametrisation, shift } }
}
