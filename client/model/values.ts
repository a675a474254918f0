/** A node's literals: from the flat list `widgets_values` of a workflow file to names, and back. */
import type { InputType, NodeType } from './node-types.ts'
import { placeValues, type Place } from '../../formats/workflow/classes.ts'
import { accept, isControlMode, type ControlMode } from './widgets.ts'

/** What the widgets of one node hold. */
export interface Values {
  /** Input name to literal. */
  readonly literals: Map<string, unknown>
  /** Input name to "after generate" mode. */
  readonly controls: Map<string, ControlMode>
}

/** The inputs of a class that have a widget, in order. */
export const widgetInputs = (type: NodeType): InputType[] => type.inputs.filter((input) => input.widget !== null)

/** What an input's widget takes of a list of values. */
const placeOf = ({ type, widget }: InputType): Place => ({
  type,
  controlled: widget?.control === true,
  uploads: widget?.kind === 'combo' && widget.upload,
})

/** Values of a fresh node. */
export function defaults(type: NodeType): Values {
  const literals = new Map<string, unknown>()
  const controls = new Map<string, ControlMode>()
  for (const { name, widget } of widgetInputs(type)) {
    literals.set(name, widget?.default)
    if (widget?.control) controls.set(name, 'randomize')
  }
  return { literals, controls }
}

/** A stored value as its widget may hold it; one it cannot read is kept, for the server to name. */
const stored = (input: InputType, value: unknown): unknown => {
  if (!input.widget || input.widget.kind === 'number') return readNumber(input, value)
  return accept(input.widget, value) ?? value
}

/** Numbers are not clamped on load: a value out of range is shown as it is and refused by the server, not changed. */
function readNumber(input: InputType, value: unknown): unknown {
  if (typeof value !== 'string' || input.widget?.kind !== 'number') return value
  return accept({ ...input.widget, min: -(2n ** 200n), max: 2n ** 200n, round: 0 }, value) ?? value
}

/** Reads `widgets_values` of a file for a node of this class; missing ones take the class's defaults. */
export function readValues(
  type: NodeType,
  given: readonly unknown[] | Readonly<Record<string, unknown>> | undefined,
): Values {
  const values = defaults(type)
  if (given === undefined) return values
  const inputs = widgetInputs(type)
  if (!Array.isArray(given)) {
    const byName = given as Readonly<Record<string, unknown>>
    for (const input of inputs)
      if (Object.hasOwn(byName, input.name)) values.literals.set(input.name, stored(input, byName[input.name]))
    return values
  }
  const placed = placeValues(inputs.map(placeOf), given as readonly unknown[])
  inputs.forEach((input, i) => {
    const { value, control } = placed[i] ?? {}
    if (value !== undefined) values.literals.set(input.name, stored(input, value))
    if (control !== undefined)
      values.controls.set(input.name, isControlMode(control) ? control : control ? 'randomize' : 'fixed')
  })
  return values
}

/** The list that a workflow file stores: readValues backwards. */
export function writeValues(type: NodeType, values: Values): unknown[] {
  return widgetInputs(type).flatMap(({ name, widget }) => [
    values.literals.get(name),
    ...(widget?.control ? [values.controls.get(name) ?? 'fixed'] : []),
    ...(widget?.kind === 'combo' && widget.upload ? ['image'] : []),
  ])
}
