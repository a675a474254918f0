/** PreviewAny: shows any value as text. */
import { short } from './showing/short.ts'
import { defineNode } from '../define.ts'
import { anyOf } from '../ports.ts'

/** A value as a user reads it: text and numbers as they are, the rest as JSON without what does not fit on a node. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  return JSON.stringify(value, (_, one: unknown) => short(one), 2)
}

export default defineNode({
  type: 'PreviewAny',
  category: 'utility',
  title: 'Preview as Text',
  help: 'Shows what comes over a link: numbers, text, noise levels; of large values their shape.',
  inputs: { source: anyOf('*') },
  outputs: {},
  isOutput: true,
  run: ({ source }) => ({ ui: { text: [shown(source)] } }),
})
