/** Workflows on the server: those that are shipped, and the user's own. */
import { z } from '../model/zod.ts'
import { parseJson, stringifyJson } from '../model/json.ts'
import { RequestError } from './http.ts'

export interface WorkflowEntry {
  readonly name: string
  readonly title: string
  readonly shipped: boolean
}

const shipped = z.array(z.object({ name: z.string(), title: z.string().catch('') }))
const own = z.array(z.string())
const FOLDER = 'workflows'

async function json(path: string): Promise<unknown> {
  const response = await fetch(`/api${path}`)
  if (response.status === 404) return null
  if (!response.ok)
    throw new RequestError(`${path} answered ${response.status} ${response.statusText}.`, response.status)
  return parseJson(await response.text())
}

const title = (name: string): string => name.replace(/\.json$/, '')

/** The workflows that come with the program. */
export async function shippedWorkflows(): Promise<WorkflowEntry[]> {
  const given = shipped.catch([]).parse(await json('/heddle/workflows'))
  return given.map((entry) => ({ name: entry.name, title: entry.title || title(entry.name), shipped: true }))
}

/** The user's own workflows; none when nothing was saved yet. */
export async function ownWorkflows(): Promise<WorkflowEntry[]> {
  const saved = own.catch([]).parse(await json(`/userdata?dir=${FOLDER}&recurse=true`))
  return saved
    .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
    .map((name) => ({ name, title: title(name), shipped: false }))
}

const ownPath = (name: string): string => `/userdata/${encodeURIComponent(`${FOLDER}/${name}`)}`

/** The file of a listed workflow, unchecked. */
export async function readWorkflow(entry: Pick<WorkflowEntry, 'name' | 'shipped'>): Promise<unknown> {
  const found = await json(entry.shipped ? `/heddle/workflows/${encodeURIComponent(entry.name)}` : ownPath(entry.name))
  if (found === null) throw new RequestError(`There is no workflow '${entry.name}' on the server.`, 404)
  return found
}

const refusal = z.object({ error: z.object({ message: z.string() }) })

/** Why the server refused, in its own words where it has some. */
async function reason(response: Response): Promise<string> {
  const text = await response.text()
  try {
    return refusal.parse(JSON.parse(text)).error.message
  } catch {
    return text.trim().slice(0, 300) || `the server answered ${response.status}.`
  }
}

/** Stores a workflow among the user's; `overwrite` false leaves an existing one alone and answers false. */
export async function saveWorkflow(name: string, workflow: unknown, overwrite: boolean): Promise<boolean> {
  const response = await fetch(`/api${ownPath(name)}?overwrite=${overwrite}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: stringifyJson(workflow, 2),
  })
  if (response.status === 409) return false
  if (!response.ok) throw new RequestError(`'${name}' could not be saved: ${await reason(response)}`, response.status)
  return true
}

export async function deleteWorkflow(name: string): Promise<void> {
  const response = await fetch(`/api${ownPath(name)}`, { method: 'DELETE' })
  if (!response.ok && response.status !== 404)
    throw new RequestError(`'${name}' could not be removed: ${response.status}.`, response.status)
}
