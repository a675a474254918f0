/** Finished prompts as jobs: what a list shows of each, made once of its history entry. */
import { isRecord } from '../json.ts'
import type { History, HistoryEntry } from '../store/history.ts'

export type Status = 'pending' | 'in_progress' | 'completed' | 'failed' | 'cancelled'
export const STATUSES: readonly Status[] = ['pending', 'in_progress', 'completed', 'failed', 'cancelled']

type Data = Readonly<Record<string, unknown>>

/** What is common to all jobs; times in ms since 1970. */
export interface Summary {
  readonly id: string
  readonly status: Status
  readonly number: number
  readonly created: number | null
  readonly started: number | null
  readonly ended: number | null
  /** Data of the event that ended it, if that was an error. */
  readonly error: Data | null
  readonly outputsCount: number
  readonly preview: Data | null
  readonly workflowId: string | null
}

const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null)

export const createdOf = (extraData: Data): number | null => numberOrNull(extraData['create_time'])

/** The id of the workflow that the prompt was made of, if it has one. */
export function workflowIdOf(extraData: Data): string | null {
  const info = extraData['extra_pnginfo']
  const workflow = isRecord(info) ? info['workflow'] : null
  const id = isRecord(workflow) ? workflow['id'] : null
  return typeof id === 'string' ? id : null
}

const MEDIA = /^(images|video|audio|gifs)$/
const MODEL_FILE = /\.(obj|fbx|gltf|glb)$/i
const canShow = (key: string, item: Data): boolean =>
  MEDIA.test(key) || /^(video|audio)\//.test(String(item['format'])) || MODEL_FILE.test(String(item['filename']))

/** How many things the nodes showed, and the one to show for all: a stored one before temporary ones. */
function showing(outputs: HistoryEntry['outputs']): { count: number; preview: Data | null } {
  let [count, preview]: [number, Data | null] = [0, null]
  for (const [nodeId, output] of Object.entries(outputs)) {
    if (!isRecord(output)) continue
    for (const [mediaType, items] of Object.entries(output)) {
      if (mediaType === 'animated' || !Array.isArray(items)) continue
      for (const item of items as unknown[]) {
        if (!isRecord(item)) continue
        count++
        const isBetter = preview === null || (preview['type'] !== 'output' && item['type'] === 'output')
        if (isBetter && canShow(mediaType, item)) preview = { ...item, nodeId, mediaType }
      }
    }
  }
  return { count, preview }
}

const dataOf = ({ status }: HistoryEntry, type: string): Data | null => {
  const found = status.messages.find(([name]) => name === type)?.[1]
  return isRecord(found) ? found : null
}

export function summaryOf(id: string, entry: HistoryEntry): Summary {
  const [number, , , extraData] = entry.prompt
  const error = dataOf(entry, 'execution_error')
  const stopped = dataOf(entry, 'execution_interrupted')
  const end = stopped ?? error ?? dataOf(entry, 'execution_success')
  const { count, preview } = showing(entry.outputs)
  return {
    id,
    status: stopped ? 'cancelled' : entry.status.completed ? 'completed' : 'failed',
    number,
    created: createdOf(extraData),
    started: numberOrNull(dataOf(entry, 'execution_start')?.['timestamp']),
    ended: numberOrNull(end?.['timestamp']),
    error,
    outputsCount: count,
    preview,
    workflowId: workflowIdOf(extraData),
  }
}

export class FinishedJobs {
  readonly #history: History
  readonly #known = new Map<string, Summary>()

  constructor(history: History) {
    this.#history = history
    history.onForget((ids) => {
      if (ids) for (const id of ids) this.#known.delete(id)
      else this.#known.clear()
    })
  }

  /** All of them, oldest first. */
  list(): Summary[] {
    const ids = this.#history.ids()
    if (this.#known.size > 2 * ids.length + 100) this.#known.clear()
    return ids.flatMap((id) => this.get(id) ?? [])
  }

  get(id: string): Summary | null {
    const known = this.#known.get(id)
    if (known) return known
    const entry = this.#history.get(id)
    if (!entry) return null
    const summary = summaryOf(id, entry)
    this.#known.set(id, summary)
    return summary
  }
}
