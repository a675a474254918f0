/** The time shift of a flow model, as a bench may ask for another one. */
import type { DiffusionModel } from '../diffusion/families/contract.ts'

/** The model's own shift; null for models that are no flows. */
export const shiftOf = ({ parametrisation }: DiffusionModel): number | null =>
  parametrisation.kind === 'flow' ? parametrisation.shift : null

/** The model with noise levels shifted by `shift` instead of its own. Throws for a model that is no flow. */
export function shifted(model: DiffusionModel, shift: number): DiffusionModel {
  const { parametrisation, name } = model
  if (parametrisation.kind !== 'flow')
    throw new Error(`shift: '${name}' predicts ${parametrisation.kind}; only flow models have a time shift`)
  return { ...model, parametrisation: { ...parametrisation, shift } }
}
