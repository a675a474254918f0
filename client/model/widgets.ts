/** Widgets: what kind of control an input's options ask for, and the rules its value keeps. */
import { hasUpload, isControlled } from '../../formats/workflow/classes.ts'
import type { SpecOptions } from '../../nodes/spec.ts'

interface Common {
  /** "After generate" (fixed, increment, ...) follows the value in widgets_values. */
  readonly control: boolean
  /** False for text that never leaves the editor. */
  readonly linkable: boolean
}
export interface NumberWidget extends Common {
  readonly kind: 'number'
  readonly whole: boolean
  readonly default: number | bigint
  readonly min: number | bigint
  readonly max: number | bigint
  readonly step: number
  /** Values are rounded to a multiple of this; 0 = not at all. */
  readonly round: number
}
export interface TextWidget extends Common {
  readonly kind: 'text'
  readonly default: string
  readonly multiline: boolean
  readonly placeholder: string
  /** `{a|b}` in it is resolved when the workflow is queued. */
  readonly choices: boolean
}
export interface ToggleWidget extends Common {
  readonly kind: 'toggle'
  readonly default: boolean
  readonly on: string
  readonly off: string
}
export interface ComboWidget extends Common {
  readonly kind: 'combo'
  readonly default: Scalar
  readonly choices: readonly Scalar[]
  /** A button that uploads a picture and selects it; it takes a place of its own in widgets_values. */
  readonly upload: boolean
  /** Folder that pictures among the choices are in. */
  readonly folder: 'input' | 'output' | 'temp'
}
export type Widget = NumberWidget | TextWidget | ToggleWidget | ComboWidget
export type Scalar = string | number | bigint | boolean

export const CONTROL_MODES = ['fixed', 'increment', 'decrement', 'randomize'] as const
export type ControlMode = (typeof CONTROL_MODES)[number]
export const isControlMode = (value: unknown): value is ControlMode => CONTROL_MODES.some((mode) => mode === value)

const isScalar = (value: unknown): value is Scalar =>
  ['string', 'number', 'bigint', 'boolean'].includes(typeof value) && !Number.isNaN(value)
const numeric = (value: unknown, otherwise: number | bigint): number | bigint =>
  typeof value === 'bigint' || (typeof value === 'number' && Number.isFinite(value)) ? value : otherwise
const words = (value: unknown, otherwise = ''): string => (typeof value === 'string' ? value : otherwise)

function numberWidget(name: string, whole: boolean, options: SpecOptions): NumberWidget {
  const min = numeric(options['min'], whole ? -(2 ** 31) : -1e9)
  const step = Number(numeric(options['step'], whole ? 1 : 0.01))
  return {
    kind: 'number',
    whole,
    default: numeric(options['default'], min < 0 ? 0 : min),
    min,
    max: numeric(options['max'], whole ? 2 ** 31 - 1 : 1e9),
    step: step > 0 ? step : 1,
    round: whole ? 1 : Number(numeric(options['round'], 0)),
    control: isControlled(name, whole ? 'INT' : 'FLOAT', options),
    linkable: true,
  }
}

function comboWidget(name: string, options: SpecOptions): ComboWidget {
  const listed = options['options']
  const choices = Array.isArray(listed) ? listed.filter(isScalar) : []
  const given = options['default']
  const folder = options['image_folder']
  return {
    kind: 'combo',
    default: isScalar(given) ? given : (choices[0] ?? ''),
    choices,
    upload: hasUpload(options),
    folder: folder === 'output' || folder === 'temp' ? folder : 'input',
    control: isControlled(name, 'COMBO', options),
    linkable: true,
  }
}

/** The widget for an input of this type, or null when only a link can fill it. */
export function widgetOf(name: string, type: string, options: SpecOptions): Widget | null {
  if (options['forceInput'] === true) return null
  switch (type) {
    case 'INT':
    case 'FLOAT':
      return numberWidget(name, type === 'INT', options)
    case 'STRING':
      return {
        kind: 'text',
        default: words(options['default']),
        multiline: options['multiline'] === true,
        placeholder: words(options['placeholder']),
        choices: options['dynamicPrompts'] === true,
        control: false,
        linkable: true,
      }
    case 'BOOLEAN':
      return {
        kind: 'toggle',
        default: options['default'] === true,
        on: words(options['label_on'], 'on'),
        off: words(options['label_off'], 'off'),
        control: false,
        linkable: true,
      }
    case 'COMBO':
      return comboWidget(name, options)
    default:
      return null
  }
}

const clamp = <T extends number | bigint>(value: T, min: number | bigint, max: number | bigint): T | number | bigint =>
  value < min ? min : value > max ? max : value

/** Text as typed to a whole number (bigint where a double would round), else null. Never evaluates anything. */
function toWhole(text: string): number | bigint | null {
  if (/^[+-]?\d{1,40}$/.test(text)) {
    const exact = BigInt(text)
    const rounded = Number(exact)
    return Number.isSafeInteger(rounded) ? rounded : exact
  }
  const number = text === '' ? NaN : Number(text)
  return Number.isFinite(number) ? Math.trunc(number) : null
}

function toNumber(widget: NumberWidget, value: unknown): number | bigint | null {
  if (widget.whole && (typeof value === 'bigint' || typeof value === 'string')) return toWhole(String(value).trim())
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint') return null
  const number = typeof value === 'string' && value.trim() === '' ? NaN : Number(value)
  if (!Number.isFinite(number)) return null
  if (widget.whole) return Math.trunc(number)
  // Rounding by division leaves tails like 0.30000000000000004; fifteen digits hold every step a person sets.
  return widget.round > 0 ? Number((Math.round(number / widget.round) * widget.round).toPrecision(15)) : number
}

/** `value` as this widget may hold it: numbers clamped and rounded, or null when it cannot be read at all. */
export function accept(widget: Widget, value: unknown): Scalar | null {
  switch (widget.kind) {
    case 'number': {
      const number = toNumber(widget, value)
      return number === null ? null : clamp(number, widget.min, widget.max)
    }
    case 'toggle':
      return typeof value === 'boolean'
        ? value
        : value === 'true' || value === 1
          ? true
          : value === 'false' || value === 0
            ? false
            : null
    case 'text':
    case 'combo':
      return isScalar(value) ? value : null
  }
}

/** A number moved by `ticks` steps, within the widget's limits. */
export function stepped(widget: NumberWidget, value: Scalar, ticks: number): number | bigint {
  const from = typeof value === 'number' || typeof value === 'bigint' ? value : widget.default
  const moved = widget.whole
    ? BigInt(from) + BigInt(Math.round(ticks * widget.step))
    : Number((Number(from) + ticks * widget.step).toPrecision(12))
  return accept(widget, typeof moved === 'bigint' ? String(moved) : moved) as number | bigint
}

/** A value as the node shows it. */
export function shown(widget: Widget, value: unknown): string {
  if (widget.kind === 'toggle') return value === true ? widget.on : widget.off
  if (widget.kind === 'number' && typeof value === 'number' && !widget.whole) {
    const digits = Math.min(6, Math.max(0, -Math.floor(Math.log10(widget.step) + 1e-9)))
    return digits === 0 ? String(value) : String(Number(value.toFixed(Math.max(digits, 3))))
  }
  return isScalar(value) ? String(value) : ''
}

/** Random bits of 0 .. 2^bits - 1. */
export type RandomBits = (bits: number) => bigint

const browserBits: RandomBits = (bits) => BigInt.asUintN(bits, crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n)

function asWhole(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value
}

/** The value that the next run takes, by the "after generate" mode. */
export function afterGenerate(
  widget: Widget,
  value: Scalar,
  mode: ControlMode,
  bits: RandomBits = browserBits,
): Scalar {
  if (mode === 'fixed') return value
  if (widget.kind === 'combo') {
    const at = widget.choices.indexOf(value)
    const count = widget.choices.length
    const to = mode === 'randomize' ? Number(bits(32)) % Math.max(1, count) : at + (mode === 'increment' ? 1 : -1)
    return widget.choices[Math.min(count - 1, Math.max(0, to))] ?? value
  }
  if (widget.kind !== 'number' || !widget.whole) return value
  if (mode !== 'randomize') return stepped({ ...widget, step: 1 }, value, mode === 'increment' ? 1 : -1)
  const [min, max] = [BigInt(widget.min), BigInt(widget.max)]
  return asWhole(min + (bits(64) % (max - min + 1n)))
}
