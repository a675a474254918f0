/** Node classes as GET /object_info publishes them, as far as workflow files depend on them: inputs in order, and which have a widget. */

/** What an input's widget leaves in a saved list of values. */
export interface WidgetFacts {
  /** Its value where the file has none. */
  readonly fallback: unknown
  /** "After generate" (fixed, increment, ...) follows the value. */
  readonly controlled: boolean
  /** An upload button follows the value. */
  readonly uploads: boolean
  /** `{a|b}` in its text is resolved when the workflow is queued. */
  readonly hasChoices: boolean
}
export interface InputFacts {
  readonly name: string
  readonly type: string
  /** Null when only a link can fill it. */
  readonly widget: WidgetFacts | null
}
export interface ClassFacts {
  readonly title: string | null
  /** Required, then optional: the order that saved values follow. */
  readonly inputs: readonly InputFacts[]
  readonly outputs: readonly { readonly name: string; readonly type: string }[]
}
/** A class by its name; null when there is none. */
export type ClassOf = (type: string) => ClassFacts | null

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : [])

/** What a widget of each type holds at first, unless the class or its choices say. */
const BLANK: Readonly<Record<string, unknown>> = { INT: 0, FLOAT: 0, STRING: '', BOOLEAN: false, COMBO: undefined }
const UPLOADS = ['image_upload', 'video_upload', 'audio_upload', 'animated_image_upload', 'mesh_upload']

/** Whether a declared input has "after generate"; seeds have it unless the class says otherwise. */
export function isControlled(name: string, type: string, options: Readonly<Record<string, unknown>>): boolean {
  const flag = options['control_after_generate']
  if (type === 'INT' && flag === undefined) return name === 'seed' || name === 'noise_seed'
  return (type === 'INT' || type === 'COMBO') && Boolean(flag)
}

/** Whether a declared input has an upload button. */
export const hasUpload = (options: Readonly<Record<string, unknown>>): boolean =>
  UPLOADS.some((upload) => options[upload] === true)

function inputFacts(name: string, declared: unknown): InputFacts {
  const [given, about] = listOf(declared)
  const options = isRecord(about) ? about : {}
  const type = typeof given === 'string' ? given : 'COMBO'
  const choices = typeof given === 'string' ? listOf(options['options']) : listOf(given)
  if (!Object.hasOwn(BLANK, type) || options['forceInput'] === true) return { name, type, widget: null }
  const widget = {
    fallback: options['default'] ?? choices[0] ?? BLANK[type],
    controlled: isControlled(name, type, options),
    uploads: hasUpload(options),
    hasChoices: options['dynamicPrompts'] === true,
  }
  return { name, type, widget }
}

/** The names of a group of inputs: those that `input_order` lists, then the rest. */
function ordered(inputs: Readonly<Record<string, unknown>>, order: unknown): string[] {
  const names = Object.keys(inputs)
  const first = listOf(order).filter((name): name is string => typeof name === 'string' && Object.hasOwn(inputs, name))
  return first.length === 0 ? names : [...first, ...names.filter((name) => !first.includes(name))]
}

/** Reads one entry of /object_info. */
function classFacts(info: Readonly<Record<string, unknown>>): ClassFacts {
  const [groups, order] = [info['input'], info['input_order']].map((one) => (isRecord(one) ? one : {}))
  const inputs = ['required', 'optional'].flatMap((group) => {
    const found = groups?.[group]
    const declared = isRecord(found) ? found : {}
    return ordered(declared, order?.[group]).map((name) => inputFacts(name, declared[name]))
  })
  const names = listOf(info['output_name'])
  const outputs = listOf(info['output']).map((given, i) => {
    const type = typeof given === 'string' ? given : 'COMBO'
    const name = names[i]
    return { name: typeof name === 'string' ? name : type, type }
  })
  const title = info['display_name']
  return { title: typeof title === 'string' ? title : null, inputs, outputs }
}

/** Looks classes up in the answer of /object_info; each is read once. */
export function classesIn(objectInfo: object): ClassOf {
  const read = new Map<string, ClassFacts | null>()
  return (type) => {
    let facts = read.get(type)
    if (facts === undefined) {
      const info: unknown = Object.hasOwn(objectInfo, type) ? Reflect.get(objectInfo, type) : undefined
      read.set(type, (facts = isRecord(info) ? classFacts(info) : null))
    }
    return facts
  }
}

// --- saved values ------------------------------------------------------------

const CONTROL_WORDS = new Set<unknown>(['fixed', 'increment', 'decrement', 'randomize'])
/** What old and new editors write in the place of an upload button. */
const UPLOAD_PLACES = new Set<unknown>(['image', 'upload', '', null])

/** A place in a list of saved values. */
export interface Place {
  readonly type: string
  readonly controlled: boolean
  readonly uploads: boolean
}
export interface PlacedValue {
  /** Undefined where the list is too short. */
  readonly value: unknown
  /** What stands in the place of "after generate", if there is one. */
  readonly control: unknown
}

/** Which value of a list is whose: some widgets take a second place, and files of programs without them do not have it. */
export function placeValues(places: readonly Place[], values: readonly unknown[]): PlacedValue[] {
  let at = 0
  return places.map(({ type, controlled, uploads }, i) => {
    if (at >= values.length) return { value: undefined, control: undefined }
    const value = values[at++]
    const next = at < values.length ? values[at] : undefined
    // Editors of 2023 wrote true for randomize.
    const old = typeof next === 'boolean' && places[i + 1]?.type !== 'BOOLEAN'
    const control = controlled && (CONTROL_WORDS.has(next) || old) ? next : undefined
    if (control !== undefined) at++
    // A choice that changes by itself has a filter behind its control.
    if (control !== undefined && type === 'COMBO' && values[at] === '') at++
    if (uploads && at < values.length && UPLOAD_PLACES.has(values[at])) at++
    return { value, control }
  })
}
