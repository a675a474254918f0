/** Who follows which job: its events as they come, its end, and the newest events again for those who come back. */
import { isPreview, type EngineEvent, type TextEvent } from '../engine/protocol.ts'
import type { JobRecord } from '../queue/record.ts'

/** What the dispatcher tells of the jobs that it runs. */
export interface JobObserver {
  event(record: JobRecord, event: EngineEvent): void
  /** The history entry is there. */
  ended(record: JobRecord): void
  /** Something was queued, began, ended or was removed. */
  changed(): void
}

export interface NumberedEvent {
  /** Counts the events of one run of one job from 1. */
  readonly id: number
  readonly event: TextEvent
}

interface Follower {
  readonly hear: (event: NumberedEvent) => void
  /** The job has ended, or is no longer known. */
  readonly end: () => void
}

/** Events of a running job that are kept for those who come back. */
const KEPT = 1000

export class Watchers implements JobObserver {
  readonly #followers = new Map<string, Set<Follower>>()
  /** Events of the jobs that run. */
  readonly #events = new Map<string, NumberedEvent[]>()
  readonly #endListeners: ((record: JobRecord) => void)[] = []
  #isKnown: (promptId: string) => Promise<boolean> = () => Promise.resolve(true)

  /** Called with every job that has ended. */
  onEnd(listener: (record: JobRecord) => void): void {
    this.#endListeners.push(listener)
  }

  /** How to find out whether a job is still there: those who follow one that was removed are told of its end. */
  askWith(isKnown: (promptId: string) => Promise<boolean>): void {
    this.#isKnown = isKnown
  }

  event({ job: { promptId } }: JobRecord, event: EngineEvent): void {
    if (isPreview(event)) return
    let events = this.#events.get(promptId)
    // A job that is run again after its engine died begins anew, and its events are counted on.
    if (!events) this.#events.set(promptId, (events = []))
    const numbered = { id: (events.at(-1)?.id ?? 0) + 1, event }
    events.push(numbered)
    if (events.length > 2 * KEPT) events.splice(0, events.length - KEPT)
    for (const follower of this.#followers.get(promptId) ?? []) follower.hear(numbered)
  }

  ended(record: JobRecord): void {
    const { promptId } = record.job
    this.#events.delete(promptId)
    this.#finish(promptId)
    for (const listener of this.#endListeners) listener(record)
  }

  changed(): void {
    for (const promptId of this.#followers.keys())
      void this.#isKnown(promptId).then((known) => {
        if (!known) this.#finish(promptId)
      })
  }

  /** Follows a job; hears first what is kept of its events after the one numbered `after`. Returns how to stop. */
  follow(promptId: string, after: number, follower: Follower): () => void {
    for (const numbered of this.#events.get(promptId) ?? []) if (numbered.id > after) follower.hear(numbered)
    const all = this.#followers.get(promptId) ?? new Set()
    this.#followers.set(promptId, all.add(follower))
    return () => {
      all.delete(follower)
      if (all.size === 0 && this.#followers.get(promptId) === all) this.#followers.delete(promptId)
    }
  }

  #finish(promptId: string): void {
    const followers = this.#followers.get(promptId)
    this.#followers.delete(promptId)
    for (const follower of followers ?? []) follower.end()
  }
}
