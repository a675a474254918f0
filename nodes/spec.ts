/** Input declarations: one value that types an input, checks it, draws its widget and documents it. No imports. */

/** Options as /object_info publishes them; keys are ComfyUI's. */
export type SpecOptions = Readonly<Record<string, unknown>>

/** A fault of one input, in ComfyUI's vocabulary (`type`) and words (`message`, `details`). */
export interface Fault {
  readonly type:
    | 'required_input_missing'
    | 'invalid_input_type'
    | 'value_smaller_than_min'
    | 'value_bigger_than_max'
    | 'value_not_in_list'
    | 'custom_validation_failed'
  readonly message: string
  readonly details: string
}

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: Fault }

/** One declared input. `T` is what `run` receives. */
export interface Spec<T> {
  /** Type text of /object_info: 'INT', 'FLOAT', 'STRING', 'BOOLEAN', 'COMBO' or a port name. */
  readonly type: string
  readonly required: boolean
  /** True when only a link can fill it (ports); false for widgets, which a link may also fill. */
  readonly linkOnly: boolean
  /** Filled by the engine, never by the user: 'PROMPT', 'DYNPROMPT', 'EXTRA_PNGINFO', 'UNIQUE_ID'. */
  readonly hidden: boolean
  /** What is linked here runs only once the node's `needs` has named this input. */
  readonly lazy?: boolean
  /** `run` receives the link itself, not what came over it. */
  readonly rawLink?: boolean
  options(lists: Lists): SpecOptions
  /** Checks a literal; `lists` resolves choices that come from folders. */
  parse(value: unknown, lists: Lists): Parsed<T>
  /** Carries T; never called. */
  readonly infer?: () => T
}

/** Files that choices can name, by folder: 'checkpoints', 'vae', 'input', ... */
export type Lists = (folder: string) => readonly string[]

// Only this constraint needs `any`: a record of specs of whatever types.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Specs = Readonly<Record<string, Spec<any>>>

/** Exactly the declared keys with their types: a misspelt key is a compile error. */
export type Values<I> = { readonly [K in keyof I]: I[K] extends Spec<infer T> ? T : never }

interface Help {
  /** Shown as tooltip: what the knob does and what it costs. */
  readonly help?: string
}

const good = <T>(value: T): Parsed<T> => ({ ok: true, value })
const bad = (type: Fault['type'], message: string, details: string): { ok: false; fault: Fault } => ({
  ok: false,
  fault: { type, message, details },
})
const tooltip = (help: string | undefined): SpecOptions => (help === undefined ? {} : { tooltip: help })
const widget = { required: true, linkOnly: false, hidden: false } as const

interface Range {
  readonly default: number
  readonly min: number
  readonly max: number
  readonly step?: number
  readonly optional?: boolean
}

function inRange(value: number, o: Range): Fault | null {
  if (value < o.min)
    return { type: 'value_smaller_than_min', message: `Value ${value} smaller than min of ${o.min}`, details: '' }
  if (value > o.max)
    return { type: 'value_bigger_than_max', message: `Value ${value} bigger than max of ${o.max}`, details: '' }
  return null
}

/** Text, number or bigint to a finite number, else null. */
function toNumber(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'string' && value.trim() !== '' && value.length < 64) {
    const number = Number(value)
    return Number.isFinite(number) ? number : null
  }
  return null
}

/** A received value for a message: short, and without calling anything the value brings along. */
const shown = (value: unknown): string => {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

export function int(o: Range & Help): Spec<number> {
  return {
    ...widget,
    required: !o.optional,
    type: 'INT',
    options: () => ({ default: o.default, min: o.min, max: o.max, step: o.step ?? 1, ...tooltip(o.help) }),
    parse(value) {
      const number = toNumber(value)
      if (number === null)
        return bad(
          'invalid_input_type',
          'Failed to convert an input value to a INT value',
          `expected a whole number, received ${shown(value)}`,
        )
      const whole = Math.trunc(number)
      const fault = inRange(whole, o)
      return fault ? { ok: false, fault } : good(whole)
    },
  }
}

export function float(o: Range & Help & { readonly round?: number }): Spec<number> {
  return {
    ...widget,
    required: !o.optional,
    type: 'FLOAT',
    options: () => ({
      default: o.default,
      min: o.min,
      max: o.max,
      step: o.step ?? 0.01,
      ...(o.round === undefined ? {} : { round: o.round }),
      ...tooltip(o.help),
    }),
    parse(value) {
      const number = toNumber(value)
      if (number === null)
        return bad(
          'invalid_input_type',
          'Failed to convert an input value to a FLOAT value',
          `expected a number, received ${shown(value)}`,
        )
      const fault = inRange(number, o)
      return fault ? { ok: false, fault } : good(number)
    },
  }
}

const MAX_SEED = 0xffff_ffff_ffff_ffffn

/** A 64-bit seed, kept exact: 0 to 18446744073709551615. */
export function seed(o: Help = {}): Spec<bigint> {
  return {
    ...widget,
    type: 'INT',
    options: () => ({ default: 0, min: 0, max: MAX_SEED, control_after_generate: true, ...tooltip(o.help) }),
    parse(value) {
      const text = typeof value === 'string' ? value.trim() : value
      const whole =
        typeof text === 'bigint'
          ? text
          : typeof text === 'number' && Number.isFinite(text)
            ? BigInt(Math.trunc(text))
            : typeof text === 'string' && /^-?\d{1,20}$/.test(text)
              ? BigInt(text)
              : null
      if (whole === null)
        return bad(
          'invalid_input_type',
          'Failed to convert an input value to a INT value',
          `expected a whole number, received ${shown(value)}`,
        )
      if (whole < 0n) return bad('value_smaller_than_min', `Value ${whole} smaller than min of 0`, '')
      if (whole > MAX_SEED) return bad('value_bigger_than_max', `Value ${whole} bigger than max of ${MAX_SEED}`, '')
      return good(whole)
    },
  }
}

export function text(
  o: Help & {
    readonly default?: string
    readonly multiline?: boolean
    readonly dynamicPrompts?: boolean
    readonly optional?: boolean
  } = {},
): Spec<string> {
  return {
    ...widget,
    required: !o.optional,
    type: 'STRING',
    options: () => ({
      default: o.default ?? '',
      multiline: o.multiline ?? false,
      ...(o.dynamicPrompts ? { dynamicPrompts: true } : {}),
      ...tooltip(o.help),
    }),
    parse(value) {
      if (typeof value === 'string') return good(value)
      if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
        return good(String(value))
      return bad(
        'invalid_input_type',
        'Failed to convert an input value to a STRING value',
        `expected text, received ${shown(value)}`,
      )
    },
  }
}

export function toggle(o: Help & { readonly default: boolean; readonly optional?: boolean }): Spec<boolean> {
  return {
    ...widget,
    required: !o.optional,
    type: 'BOOLEAN',
    options: () => ({ default: o.default, ...tooltip(o.help) }),
    parse: (value) => good(Boolean(value)),
  }
}

const notInList = (value: unknown, choices: readonly string[]) =>
  bad(
    'value_not_in_list',
    'Value not in list',
    `received ${shown(value)}, expected one of ${choices.length > 20 ? `${choices.length} choices` : JSON.stringify(choices)}`,
  )

/** One of a fixed list. */
export function choice<const C extends readonly string[]>(
  choices: C,
  o: Help & { readonly default: C[number]; readonly optional?: boolean },
): Spec<C[number]> {
  return {
    ...widget,
    required: !o.optional,
    type: 'COMBO',
    options: () => ({ options: choices, default: o.default, ...tooltip(o.help) }),
    parse: (value) =>
      typeof value === 'string' && choices.includes(value) ? good(value as C[number]) : notInList(value, choices),
  }
}

/** Folders of pictures and other files that come and go. */
export const FILE_FOLDERS = ['input', 'output', 'temp'] as const
export type FileFolder = (typeof FILE_FOLDERS)[number]

/** Splits a name as ComfyUI writes it when it says which folder is meant: `a.png [output]`; the folder is null without that ending. */
export function annotated(text: string): { readonly folder: FileFolder | null; readonly name: string } {
  const [, name, ending] = /^(.*) \[(\w+)\]$/s.exec(text) ?? []
  const folder = FILE_FOLDERS.find((one) => one === ending)
  return folder && name !== undefined ? { folder, name } : { folder: null, name: text }
}

/**
 * The name of a file in one of the server's folders. `upload` adds the editor's upload button, and lets names say which other folder
 * they are of (see `annotated`), which they do when they come from a mask editor.
 */
export function file(folder: string, o: Help & { readonly upload?: boolean } = {}): Spec<string> {
  return {
    ...widget,
    type: 'COMBO',
    options: (lists) => ({ options: lists(folder), ...(o.upload ? { image_upload: true } : {}), ...tooltip(o.help) }),
    parse(value, lists) {
      const names = lists(folder)
      const isThere = (text: string): boolean => {
        if (names.includes(text)) return true
        const elsewhere = o.upload ? annotated(text) : null
        return elsewhere?.folder ? lists(elsewhere.folder).includes(elsewhere.name) : false
      }
      if (typeof value === 'string' && isThere(value)) return good(value)
      if (names.length > 0) return notInList(value, names)
      const details = `received ${shown(value)}, but ${folder}/ has no files yet: put one there and choose it`
      return bad('value_not_in_list', 'Value not in list', details)
    },
  }
}

/** The same input, filled only when the node's `needs` asks for it; a link that is never asked for arrives as nothing. */
export const lazy = <T>(spec: Spec<T>): Spec<T | undefined> => ({
  ...spec,
  lazy: true,
  options: (lists) => ({ ...spec.options(lists), lazy: true }),
})
