/** How a saved file says what made it: the prompt and the workflow as text, the same in pictures and in video. */
import { randomUUID } from 'node:crypto'
import type { RunContext } from './define.ts'

/** What the engine fills in of a node that saves files. */
export interface Origin {
  readonly prompt: unknown
  readonly extra: Readonly<Record<string, unknown>> | undefined
}

/**
 * On an object whose names came in an order that JavaScript does not keep, since it puts whole numbers first, as ids of nodes mostly
 * are: the names in that order.
 */
export const NAMES = Symbol('names in their order')

/** The order noted on an object, if there is one and it still fits. */
export function namesOf(value: object): readonly string[] | null {
  const names: unknown = Reflect.get(value, NAMES)
  if (!Array.isArray(names)) return null
  const fitting = names.filter((name): name is string => typeof name === 'string' && Object.hasOwn(value, name))
  return fitting.length === Object.keys(value).length ? fitting : null
}

/** JSON with every character above ASCII escaped: what holds it may be Latin-1. */
const asciiJson = (json: string): string =>
  json.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** JSON of a prompt or workflow; 64-bit seeds stay exact as plain digits. */
function exactJson(value: unknown): string {
  const mark = `big:${randomUUID()}:`
  const marked = JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${mark}${one}` : one))
  return asciiJson(marked.includes(mark) ? marked.replace(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1') : marked)
}

/** As exactJson, with the names in the order that was noted on the value. */
function orderedJson(value: unknown): string {
  const names = typeof value === 'object' && value !== null ? namesOf(value) : null
  if (!names) return exactJson(value)
  const parts = names.map((name) => `${exactJson(name)}:${exactJson(Reflect.get(value as object, name))}`)
  return `{${parts.join(',')}}`
}

/** Texts by ComfyUI's names (`prompt`, `workflow`), in ASCII; none under --disable-metadata. */
export function originText({ prompt, extra }: Origin, { metadata }: RunContext): Readonly<Record<string, string>> {
  if (!metadata) return {}
  const entries = Object.entries({ ...(prompt === undefined ? {} : { prompt }), ...extra })
  return Object.fromEntries(entries.map(([key, value]) => [key, orderedJson(value)]))
}
