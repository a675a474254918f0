/** What clients are told when a run fails or is interrupted. */
import { resolve } from 'node:path'
import { stringifyExact } from '../json.ts'
import { callsOf, type CallSite } from './call.ts'

/** Where a run stopped. */
export interface Place {
  readonly id: string | null
  readonly type: string
  /** Nodes that had finished. */
  readonly executed: readonly string[]
}

const ROOT = resolve(import.meta.dirname, '../..')
/** Longest text of an input in an error. */
const SHOWN = 200

/** Stack lines with paths from the project root: absolute ones say nothing to a client and tell of the machine. */
function traceback(error: unknown): string[] {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  return stack
    .split('\n')
    .slice(1)
    .map((line) => line.replaceAll(`file://${ROOT}/`, '').replaceAll(`${ROOT}/`, ''))
    .filter((line) => !line.includes('node:internal'))
}

/** A value as text: tensors by their shape, other things as JSON, long ones cut. */
function show(value: unknown): string | number {
  if (typeof value === 'number') return value
  if (typeof value === 'object' && value !== null) {
    const shape = (value as { shape?: unknown }).shape
    if (Array.isArray(shape)) return `tensor [${shape.join(', ')}]`
    if (Object.getPrototypeOf(value) !== Object.prototype && !Array.isArray(value)) return value.constructor.name
  }
  const text = typeof value === 'string' ? value : safeJson(value)
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text
}

/** Values on wires may hold functions and cycles; those are named by their kind. */
function safeJson(value: unknown): string {
  try {
    const flat =
      typeof value === 'object' && value !== null && Object.values(value).some((one) => typeof one === 'object')
    return flat ? `{${Object.keys(value).join(', ')}}` : stringifyExact(value)
  } catch {
    return typeof value
  }
}

function currentInputs(site: CallSite | null): Record<string, (string | number)[]> {
  if (!site) return {}
  try {
    const calls = callsOf(site)
    const visible = site.registered.inputs.filter(([, spec]) => !spec.hidden).map(([name]) => name)
    return Object.fromEntries(visible.map((name) => [name, calls.map(({ values }) => show(values[name]))]))
  } catch {
    return {}
  }
}

/** Data of `execution_error`, without the prompt's id. */
export function errorEvent(place: Place, error: unknown, site: CallSite | null): Record<string, unknown> {
  const known = error instanceof Error
  return {
    node_id: place.id,
    node_type: place.type,
    executed: place.executed,
    exception_message: `${known ? error.message : String(error)}\n`,
    exception_type: known ? error.name : typeof error,
    traceback: traceback(error),
    current_inputs: currentInputs(site),
    current_outputs: place.executed,
    timestamp: Date.now(),
  }
}

/** Data of the `execution_error` that tells of a block: the run goes on, so it has no time. */
export const blockedEvent = (id: string, type: string, executed: readonly string[], message: string) => ({
  node_id: id,
  node_type: type,
  executed,
  exception_message: `Execution Blocked: ${message}`,
  exception_type: 'ExecutionBlocked',
  traceback: [],
  current_inputs: [],
  current_outputs: [],
})

/** What ended the run, and at which node; nodes above that node have not run. */
export class Stopped extends Error {
  readonly nodeId: string
  constructor(nodeId: string, cause: unknown) {
    super('stopped', { cause })
    this.nodeId = nodeId
  }
}

/** Nodes wait for each other, which only shows while they run: lazy inputs and added nodes can make such a ring. */
export class DependencyCycleError extends Error {
  override readonly name = 'graph.DependencyCycleError'
}

export const stoppedAt = (nodeId: string, error: unknown): Stopped =>
  error instanceof Stopped ? error : new Stopped(nodeId, error)

/** The nodes `left` wait for each other; one of them is blamed. */
export const ringAt = (blamed: string | undefined, left: readonly string[]): Stopped =>
  new Stopped(
    blamed ?? left[0] ?? '',
    new DependencyCycleError(`Dependency cycle detected: ${left.join(', ')} wait for each other`),
  )

/** Whether a prompt is to run on after a failure, as its `extra_data.heddle` says. */
export function goesOn(extraData: Readonly<Record<string, unknown>>): boolean {
  const { heddle } = extraData
  return (
    typeof heddle === 'object' && heddle !== null && 'continue_on_error' in heddle && heddle.continue_on_error === true
  )
}

/** Data of `execution_interrupted`, without the prompt's id. */
export const interruptedEvent = (place: Place): Record<string, unknown> => ({
  node_id: place.id,
  node_type: place.type,
  executed: place.executed,
  timestamp: Date.now(),
})
