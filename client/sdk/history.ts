/** Prompts that have ended, as ComfyUI's /history tells of them: how each ended, its pictures, and its workflow. */
import { nodeOutput, type FileReference } from './events.ts'
import type { Routes } from './request.ts'
import { z } from './zod.ts'

const message = z.tuple([z.string(), z.record(z.string(), z.unknown())], z.unknown())
const historyEntry = z.object({
  prompt: z.tuple([z.number(), z.string(), z.unknown(), z.unknown()], z.unknown()),
  outputs: z.record(z.string(), nodeOutput).catch({}),
  status: z
    .object({
      status_str: z.string().catch(''),
      completed: z.boolean().catch(false),
      messages: z.array(message).catch([]),
    })
    .nullish(),
})

export interface HistoryItem {
  readonly id: string
  readonly number: number
  readonly outcome: 'success' | 'error' | 'cancelled'
  readonly error: string | null
  /** From the start of the run to its end, null if the server does not say. */
  readonly seconds: number | null
  readonly images: readonly { node: string; file: FileReference }[]
  /** The workflow as it was queued, unchecked. */
  readonly workflow: unknown
}

const dataOf = (entry: z.infer<typeof historyEntry>, type: string): Record<string, unknown> | undefined =>
  entry.status?.messages.find(([name]) => name === type)?.[1]

function historyItem(id: string, entry: z.infer<typeof historyEntry>): HistoryItem {
  const [start, error] = [dataOf(entry, 'execution_start'), dataOf(entry, 'execution_error')]
  const cancelled = dataOf(entry, 'execution_interrupted')
  const end = dataOf(entry, 'execution_success') ?? error ?? cancelled
  const [from, to] = [start?.['timestamp'], end?.['timestamp']]
  const extra = z.object({ extra_pnginfo: z.object({ workflow: z.unknown() }) }).safeParse(entry.prompt[3])
  const reason = error?.['exception_message']
  return {
    id,
    number: entry.prompt[0],
    outcome: cancelled ? 'cancelled' : entry.status?.status_str === 'error' ? 'error' : 'success',
    error: typeof reason === 'string' ? reason.trim() : null,
    seconds: typeof from === 'number' && typeof to === 'number' ? (to - from) / 1000 : null,
    images: Object.entries(entry.outputs).flatMap(([node, output]) =>
      (output.images ?? []).map((file) => ({ node, file })),
    ),
    workflow: extra.success ? extra.data.extra_pnginfo.workflow : undefined,
  }
}

export class History {
  readonly #routes: Routes
  constructor(routes: Routes) {
    this.#routes = routes
  }

  /** The newest, newest first. */
  async newest(most = 64): Promise<HistoryItem[]> {
    const answer = await this.#routes.json('GET', `/history?max_items=${most}`)
    return Object.entries(z.record(z.string(), historyEntry).parse(answer))
      .map(([id, entry]) => historyItem(id, entry))
      .reverse()
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#routes.send('POST', '/history', { delete: ids })
  }
}
