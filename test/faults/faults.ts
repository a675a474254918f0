/** Planted faults as data: reading them, checking that they still fit the sources, and applying one. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const ROOT = join(import.meta.dirname, '../..')

/** One change of one source file that breaks a rule, and the tests that have to notice. */
const Fault = z.strictObject({
  /** Source file from the root of the project. */
  file: z.string().min(1),
  /** Text of it that occurs exactly once; a list is joined as lines. */
  find: z.union([z.string().min(1), z.array(z.string()).min(1)]),
  /** What stands there instead. */
  replace: z.union([z.string(), z.array(z.string())]),
  /** What breaks, in words. */
  rule: z.string().min(10),
  /** Test files that must fail, from the root of the project. */
  tests: z.array(z.string().endsWith('.test.ts')).min(1),
})
export type Fault = z.infer<typeof Fault>

/** The faults of one file beside this one. */
export interface FaultList {
  /** Name of the JSON file without its ending: that of the method's node file. */
  readonly method: string
  readonly faults: readonly Fault[]
}

/** Every list of faults, or those named. Throws one error that names all lists that are missing or malformed. */
export function readFaults(methods: readonly string[] = []): readonly FaultList[] {
  const known = readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
  const missing = methods.filter((method) => !known.includes(method))
  if (missing.length > 0)
    throw new Error(`test/faults: no list for ${missing.join(', ')}; there are ${known.join(', ')}`)
  const problems: string[] = []
  const lists = (methods.length > 0 ? methods : known).map((method): FaultList => {
    const text = readFileSync(join(import.meta.dirname, `${method}.json`), 'utf8')
    const parsed = z.array(Fault).safeParse(JSON.parse(text))
    if (!parsed.success) problems.push(`${method}.json: ${z.prettifyError(parsed.error)}`)
    return { method, faults: parsed.data ?? [] }
  })
  if (problems.length > 0) throw new Error(`test/faults: ${problems.join('\n')}`)
  return lists
}

const asText = (lines: string | readonly string[]): string => (typeof lines === 'string' ? lines : lines.join('\n'))

/** Why a fault cannot be planted in the sources under `root`, or null when its text is there exactly once. */
export function misfit({ file, find, replace }: Fault, root = ROOT): string | null {
  let source: string
  try {
    source = readFileSync(join(root, file), 'utf8')
  } catch {
    return `${file} does not exist`
  }
  if (asText(find) === asText(replace)) return `${file}: 'replace' is what 'find' says, which changes nothing`
  const count = source.split(asText(find)).length - 1
  return count === 1 ? null : `${file}: expected 'find' exactly once, found it ${count} times: ${asText(find)}`
}

/** The faulty text of the file. */
export const planted = (source: string, { find, replace }: Fault): string =>
  source.replace(asText(find), () => asText(replace))
