/** How a saved file says what made it: the prompt and the workflow as text, the same in pictures and in video. */
import { randomUUID } from 'node:crypto'
import type { RunContext } from './define.ts'

/** What the engine fills in of a node that saves files. */
export interface Origin {
  readonly prompt: unknown
  readonly extra: Readonly<Record<string, unknown>> | undefined
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

/** Texts by ComfyUI's names (`prompt`, `workflow`), in ASCII; none under --disable-metadata. */
export function originText({ prompt, extra }: Origin, { metadata }: RunContext): Readonly<Record<string, string>> {
  if (!metadata) return {}
  const entries = Object.entries({ ...(prompt === undefined ? {} : { prompt }), ...extra })
  return Object.fromEntries(entries.map(([key, value]) => [key, exactJson(value)]))
}
