/** Operators that a provider does not have run on the CPU: how many, found in a profile of the first run, said once a model. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

const Profile = z.array(
  z.object({
    cat: z.string(),
    name: z.string(),
    args: z.object({ provider: z.string(), op_name: z.string() }).partial().optional(),
  }),
)

/** Nodes that ran, and those of them that ran on the CPU. */
export interface Placement {
  readonly nodes: number
  readonly onCpu: number
  /** Operator types on the CPU, the commonest first. */
  readonly operators: readonly string[]
}

/** Reads a profile that ONNX Runtime wrote: which node ran where. Throws when it is none. */
export function readPlacement(json: string): Placement {
  const events = Profile.parse(JSON.parse(json)).filter(({ cat, args }) => cat === 'Node' && args?.provider)
  const nodes = new Map(events.map(({ name, args }) => [name, args]))
  const counts = new Map<string, number>()
  for (const args of nodes.values()) {
    const operator = args?.op_name ?? '?'
    if (args?.provider === 'CPUExecutionProvider') counts.set(operator, (counts.get(operator) ?? 0) + 1)
  }
  const operators = [...counts].sort((a, b) => b[1] - a[1]).map(([operator]) => operator)
  return { nodes: nodes.size, onCpu: [...counts.values()].reduce((sum, count) => sum + count, 0), operators }
}

let warn: (text: string) => void = (text) => void process.stderr.write(`heddle: ${text}\n`)

/** Gives warnings to `listener` instead of standard error. */
export function onWarning(listener: (text: string) => void): void {
  warn = listener
}

/** Where a session's profile goes. */
export interface ProfilePlace {
  readonly folder: string
  /** For `profileFilePrefix`. */
  readonly prefix: string
}

export function profilePlace(): ProfilePlace {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-profile-'))
  return { folder, prefix: join(folder, 'run') }
}

/** Reads the one profile in `folder` and removes the folder. */
export function takePlacement({ folder }: ProfilePlace): Placement {
  const [file] = readdirSync(folder)
  try {
    return readPlacement(readFileSync(join(folder, file ?? 'none'), 'utf8'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The ranges of blocks of one model have its name and the range. */
const modelOf = (name: string): string => name.replace(/, blocks \d+ to \d+.*$/, '')
const warned = new Set<string>()

/** Says how many nodes of `name` ran on the CPU instead of `provider`; once a model. */
export function warnOfFallback(name: string, provider: string, { nodes, onCpu, operators }: Placement): void {
  if (onCpu === 0 || warned.has(modelOf(name))) return
  warned.add(modelOf(name))
  const some = operators.slice(0, 6).join(', ') + (operators.length > 6 ? ', ...' : '')
  warn(`${name}: ${onCpu} of ${nodes} nodes run on the CPU, since ${provider} does not take them: ${some}`)
}
