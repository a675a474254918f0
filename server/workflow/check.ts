/** Compares our conversion of saved workflows with the prompts that the official editor made of them. */
import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import type { CheckResult } from '../../diffusion/check/shared/contract.ts'
import { isRecord, parseExact, stringifyExact } from '../json.ts'
import { toPrompt } from '../../formats/workflow/to-prompt.ts'
// The classes that the cases were made with.
import classes from './reference-classes.json' with { type: 'json' }

const KIND = 'conversion'

/** A prompt as plain data without what the editor adds for people; key order does not count. */
function plain(prompt: unknown): unknown {
  return parseExact(stringifyExact(prompt, (key, value) => (key === '_meta' ? undefined : value)))
}

function differences(ours: unknown, theirs: unknown): string[] {
  if (!isRecord(ours) || !isRecord(theirs)) return ['the case holds no prompt']
  const ids = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])]
  return ids
    .filter((id) => !isDeepStrictEqual(ours[id], theirs[id]))
    .map((id) => `node ${id}: expected ${stringifyExact(theirs[id])}, made ${stringifyExact(ours[id])}`)
}

function checkOne(name: string, example: unknown): CheckResult {
  let details: string[]
  try {
    const { workflow, api } = example as { workflow: unknown; api: unknown }
    details = differences(plain(toPrompt(workflow, classes)), api)
  } catch (error) {
    details = [error instanceof Error ? error.message : String(error)]
  }
  // The measure is the number of nodes that differ.
  return { name, kind: KIND, maxAbs: details.length, bar: 0, pass: details.length === 0, details }
}

/** Checks every case of a file `{cases: {name: {workflow, api}}}`. */
export async function checkConversions(path: string): Promise<readonly CheckResult[]> {
  const file = parseExact(await readFile(path, 'utf8'))
  const cases = isRecord(file) && isRecord(file['cases']) ? file['cases'] : {}
  const results = Object.entries(cases).map(([name, example]) => checkOne(name, example))
  const empty = { name: path, kind: KIND, maxAbs: NaN, bar: 0, pass: false, details: ['the file has no cases'] }
  return results.length > 0 ? results : [empty]
}
