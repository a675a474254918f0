/** Workflows on the server: those that are shipped, and the user's own. */
import { z } from 'zod'
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

/** Shipped workflows first, then the user's; a part that the server does not have is empty. */
export async function listWorkflows(): Promise<WorkflowEntry[]> {
  const [given, saved] = await Promise.all([
    json('/heddle/workflows').then((answer) => shipped.catch([]).parse(answer)),
    json(`/userdata?dir=${FOLDER}&recurse=true`).then((answer) => own.catch([]).parse(answer)),
  ])
  return [
    ...given.map((entry) => ({ name: entry.name, title: entry.title || title(entry.name), shipped: true })),
    ...saved
      .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      .map((name) => ({ name, title: title(name), shipped: false })),
  ]
}

const ownPath = (name: string): string => `/userdata/${encodeURIComponent(`${FOLDER}/${name}`)}`

/** The file of a listed workflow, unchecked. */
export async function readWorkflow(entry: Pick<WorkflowEntry, 'name' | 'shipped'>): Promise<unknown> {
  const found = await json(entry.shipped ? `/heddle/workflows/${encodeURIComponent(entry.name)}` : ownPath(entry.name))
  if (found === null) throw new RequestError(`There is no workflow '${entry.name}' on the server.`, 404)
  return found
}

/** Stores a workflow among the user's; `overwrite` false leaves an existing one alone and answers false. */
export async function saveWorkflow(name: string, workflow: unknown, overwrite: boolean): Promise<boolean> {
  const response = await fetch(`/api${ownPath(name)}?overwrite=${overwrite}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: stringifyJson(workflow, 2),
  })
  if (response.status === 409) return false
  if (!response.ok)
    throw new RequestError(`'${name}' could not be saved: the server answered ${response.status}.`, response.status)
  return true
}

export async function deleteWorkflow(name: string): Promise<void> {
  const response = await fetch(`/api${ownPath(name)}`, { method: 'DELETE' })
  if (!response.ok && response.status !== 404)
    throw new RequestError(`'${name}' could not be removed: ${response.status}.`, response.status)
}
