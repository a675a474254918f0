/** The open file: its name, whether it differs from what is stored, the draft, and opening and saving. */
import { embeddedWorkflow, isCarrier } from '../formats/metadata/read.ts'
import type { App } from './app.ts'
import type { WorkflowEntry } from './sdk/heddle.ts'
import { server } from './server.ts'
import { parseJson, stringifyJson } from './sdk/json.ts'
import { z } from './sdk/zod.ts'

const DRAFT = 'heddle.draft'
const FIRST = 'text-to-image-forecastcache'
const EMPTY = { nodes: [], links: [], version: 0.4 }

const draft = z.object({
  name: z.string(),
  stored: z.enum(['own', 'shipped', 'none']).catch('none'),
  dirty: z.boolean().catch(true),
  workflow: z.unknown(),
})

export class Shelf {
  /** Name without '.json'. */
  name = 'Untitled'
  /** Where the file lives: among the user's, shipped with the program, or nowhere yet. */
  stored: 'own' | 'shipped' | 'none' = 'none'
  dirty = false
  entries: readonly WorkflowEntry[] = []
  private readonly app: App
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(app: App) {
    this.app = app
    window.addEventListener('pagehide', () => this.keepDraft())
  }

  /** What the page shows first: the draft, else the shipped workflow that comes first, else nothing. */
  async openFirst(): Promise<void> {
    if (this.openDraft()) return
    const entries = await server.workflows.shipped()
    const first = entries.find((entry) => entry.name === FIRST) ?? entries[0]
    if (first) await this.openEntry(first)
    else this.app.open(EMPTY, 'Untitled')
  }

  private openDraft(): boolean {
    const text = localStorage.getItem(DRAFT)
    if (text === null) return false
    try {
      const found = draft.parse(parseJson(text))
      this.app.open(found.workflow, found.name, found.stored)
      this.dirty = found.dirty
      return true
    } catch (error) {
      this.app.note('error', `The draft could not be opened: ${error instanceof Error ? error.message : String(error)}`)
      return false
    }
  }

  opened(name: string, stored: Shelf['stored']): void {
    this.name = name.replace(/\.json$/i, '')
    this.stored = stored
    this.dirty = false
    this.keepDraft()
  }

  /** The canvas has changed: the draft follows a moment later. */
  edited(): void {
    this.dirty = true
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.keepDraft(), 800)
    this.app.update()
  }

  private keepDraft(): void {
    clearTimeout(this.timer)
    const kept = { name: this.name, stored: this.stored, dirty: this.dirty, workflow: this.app.editor.file() }
    try {
      localStorage.setItem(DRAFT, stringifyJson(kept))
    } catch {
      this.app.note('error', 'The draft is too large for the browser to keep: save the workflow.')
    }
  }

  async list(): Promise<void> {
    this.entries = (await Promise.all([server.workflows.shipped(), server.workflows.own()])).flat()
    this.app.update()
  }

  async openEntry(entry: WorkflowEntry): Promise<void> {
    this.app.open(
      await server.workflows.read(entry),
      entry.shipped ? entry.title : entry.name,
      entry.shipped ? 'shipped' : 'own',
    )
  }

  openEmpty(): void {
    this.app.open(EMPTY, 'Untitled')
  }

  /** Opens a file from disk: a workflow or API prompt in JSON, or a picture or video that carries one. */
  async openFile(file: File): Promise<void> {
    const json = await workflowIn(file)
    if (json === null) throw new Error(`'${file.name}' carries no workflow.`)
    this.app.open(json, file.name.replace(/\.(json|png|webp|mp4|mov|webm|mkv)$/i, ''))
  }

  /** Saves under a name; false when another file has it and `overwrite` is not set. */
  async saveAs(name: string, overwrite: boolean): Promise<boolean> {
    const safe = name.trim().replace(/\.json$/i, '')
    if (safe === '') throw new Error('A workflow needs a name.')
    if (!(await server.workflows.save(`${safe}.json`, this.app.editor.file(), overwrite))) return false
    this.name = safe
    this.stored = 'own'
    this.dirty = false
    this.keepDraft()
    this.app.note('info', `Saved as '${safe}'.`)
    return true
  }

  async remove(entry: WorkflowEntry): Promise<void> {
    await server.workflows.remove(entry.name)
    await this.list()
  }

  /** Hands the workflow to the browser as a file. */
  download(): void {
    const blob = new Blob([stringifyJson(this.app.editor.file(), 2)], { type: 'application/json' })
    const link = document.createElement('a')
    link.href = URL.createObjectURL(blob)
    link.download = `${this.name}.json`
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }
}

/** What a file holds, by its bytes, whatever its name says; null for a picture or video that carries nothing. */
async function workflowIn(file: File): Promise<unknown> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  try {
    if (isCarrier(bytes)) return await embeddedWorkflow(bytes, parseJson)
    if (/^(image|video)\//.test(file.type)) return null
    return parseJson(new TextDecoder().decode(bytes))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`'${file.name}' cannot be read: ${why}`, { cause: error })
  }
}
