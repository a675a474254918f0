/** What a supervisor is told, and what it holds of each job. */
import type { EngineEvent, EngineInit, Outcome, RunRequest } from './protocol.ts'

export interface SupervisorOptions {
  readonly init: EngineInit
  /** Milliseconds a cancelled job has to stop by itself before its engine is killed. */
  readonly grace: number
  readonly onEvents: (promptId: string, events: readonly EngineEvent[]) => void
  /** A job has ended, before its promise resolves and before any event of the next. */
  readonly onDone?: (promptId: string, outcome: Outcome) => void
  /** An engine is ready; `problems` and the nodes are then those of its files. */
  readonly onReady?: () => void
  /** A sentence for the log: problems with nodes, deaths and restarts. */
  readonly onNotice: (message: string) => void
}

export interface Pending<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: Error) => void
}
export interface Running extends Pending<Outcome> {
  readonly job: RunRequest
  /** False while the engine is still starting. */
  sent: boolean
  cancelled: NodeJS.Timeout | null
}
