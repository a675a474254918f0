/** Workflows on the server: those that are shipped, and the user's own. */
import { stringifyJson } from './json.ts'
import { HeddleError, type Routes } from './request.ts'
import { z } from './zod.ts'

export interface WorkflowEntry {
  readonly name: string
  readonly title: string
  readonly shipped: boolean
}

const shipped = z.array(z.object({ name: z.string(), title: z.string().catch('') }))
const own = z.array(z.string())
const FOLDER = 'workflows'

const title = (name: string): string => name.replace(/\.json$/, '')
const ownPath = (name: string): string => `/userdata/${encodeURIComponent(`${FOLDER}/${name}`)}`

/** An answer that says no with one status; all other failures are thrown. */
async function unless(status: number, request: Promise<unknown>): Promise<boolean> {
  try {
    await request
    return true
  } catch (error) {
    if (error instanceof HeddleError && error.status === status) return false
    throw error
  }
}

export class Workflows {
  readonly #routes: Routes
  constructor(routes: Routes) {
    this.#routes = routes
  }

  /** Those that come with the program. */
  async shipped(): Promise<WorkflowEntry[]> {
    const given = shipped.catch([]).parse(await this.#routes.found('/heddle/workflows'))
    return given.map((entry) => ({ name: entry.name, title: entry.title || title(entry.name), shipped: true }))
  }

  /** The user's own; none when nothing was saved yet. */
  async own(): Promise<WorkflowEntry[]> {
    const saved = own.catch([]).parse(await this.#routes.found(`/userdata?dir=${FOLDER}&recurse=true`))
    return saved
      .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      .map((name) => ({ name, title: title(name), shipped: false }))
  }

  /** The file of a listed workflow, unchecked. */
  async read(entry: Pick<WorkflowEntry, 'name' | 'shipped'>): Promise<unknown> {
    const path = entry.shipped ? `/heddle/workflows/${encodeURIComponent(entry.name)}` : ownPath(entry.name)
    const found = await this.#routes.found(path)
    if (found === null) throw new HeddleError(`There is no workflow '${entry.name}' on the server.`, 404)
    return found
  }

  /** Stores a workflow among the user's; `overwrite` false leaves an existing one alone and answers false. */
  async save(name: string, workflow: unknown, overwrite: boolean): Promise<boolean> {
    return unless(409, this.#routes.send('POST', `${ownPath(name)}?overwrite=${overwrite}`, stringifyJson(workflow, 2)))
  }

  /** Removes one of the user's; one that is gone already is no error. */
  async remove(name: string): Promise<void> {
    await unless(404, this.#routes.send('DELETE', ownPath(name)))
  }
}
