/** The literals of a saved node: `widgets_values` matched with the inputs of its class. */
import type { ClassInfo } from '../engine/protocol.ts'
import { isRecord } from '../json.ts'

const WIDGET_TYPES = new Set(['INT', 'FLOAT', 'STRING', 'BOOLEAN', 'COMBO'])
/** What a seed's second widget, and an upload button, leave in the list of values. */
const CONTROL_WORDS = new Set<unknown>(['fixed', 'increment', 'decrement', 'randomize'])
const UPLOADS = ['image_upload', 'video_upload', 'audio_upload', 'animated_image_upload', 'mesh_upload']

interface Widget {
  readonly name: string
  readonly fallback: unknown
  /** Whether a value behind its own belongs to it too. */
  takesExtra(next: unknown): boolean
}

/** The widget of a declared input, or null when it is a socket only. */
function widgetOf(name: string, declared: unknown): Widget | null {
  if (!Array.isArray(declared)) return null
  const [type, given] = declared as [unknown, unknown]
  const options = isRecord(given) ? given : {}
  const legacyChoices = Array.isArray(type) ? (type as unknown[]) : null
  if ((!legacyChoices && !WIDGET_TYPES.has(String(type))) || options['forceInput'] === true) return null
  const choices = legacyChoices ?? (Array.isArray(options['options']) ? (options['options'] as unknown[]) : [])
  const seeded = type === 'INT' && (name === 'seed' || name === 'noise_seed')
  const controlled = seeded || Boolean(options['control_after_generate'])
  const uploads = UPLOADS.some((upload) => options[upload] === true)
  return {
    name,
    fallback: options['default'] ?? choices[0],
    takesExtra: (next) => (controlled && CONTROL_WORDS.has(next)) || (uploads && next === 'image'),
  }
}

function widgetsOf(info: ClassInfo): Widget[] {
  return ['required', 'optional']
    .flatMap((group) => Object.entries(info.input[group] ?? {}))
    .map(([name, declared]) => widgetOf(name, declared))
    .filter((widget) => widget !== null)
}

/** A list would be taken for a link, so it travels wrapped. */
export const literal = (value: unknown): unknown => (Array.isArray(value) ? { __value__: value } : value)

/** Input name to value; values that the list lacks are the class's defaults. An object in place of the list gives nothing. */
export function literalsOf(info: ClassInfo, values: unknown): Map<string, unknown> {
  const literals = new Map<string, unknown>()
  if (isRecord(values)) return literals
  const list = Array.isArray(values) ? (values as unknown[]) : []
  let at = 0
  for (const widget of widgetsOf(info)) {
    const value = at < list.length ? list[at] : widget.fallback
    at++
    if (value !== undefined) literals.set(widget.name, literal(value))
    if (at < list.length && widget.takesExtra(list[at])) at++
  }
  return literals
}
