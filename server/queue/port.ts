/** The queue as the server sees it, whatever holds it. What `put` has resolved for will be run or reported. */
import type { Prompt, Secrets } from '../engine/protocol.ts'
import { parseOwn } from '../json.ts'

/** The parts of a job that are written down, as JSON: made once, for the engine, the queue and the history. */
export type JobTexts = Readonly<Record<'prompt' | 'extraData' | 'outputs', string>>

/** A prompt in the queue. */
export interface Job {
  /** Smaller runs first; ties by prompt id. */
  readonly number: number
  readonly promptId: string
  readonly extraData: Readonly<Record<string, unknown>>
  readonly outputs: readonly string[]
  /** 1 for the first try; 2 after an engine or a server died over it. */
  readonly attempt: number
  /** Keys that only nodes get: they are in memory alone, never listed nor written down, and gone after a restart. */
  readonly secrets?: Secrets | undefined
  readonly texts: JobTexts
}
export type NewJob = Omit<Job, 'attempt'>

/** The nodes of a job: what is wanted of them seldom comes before somebody asks for it. */
export const promptOf = ({ texts }: NewJob): Prompt => parseOwn(texts.prompt) as Prompt

type Place = Pick<Job, 'number' | 'promptId'>
/** The order in which jobs run, for sorting. */
export const byTurn = (a: Place, b: Place): number => a.number - b.number || (a.promptId < b.promptId ? -1 : 1)

export interface QueuePort {
  /** Advances the counter that gives prompts their number; it goes on after a restart. */
  nextNumber(): Promise<number>
  /** Stores a job; throws DuplicateError when its id is in the queue already. */
  put(job: NewJob): Promise<void>
  /** Takes the next job, which is `running` from then on, with its attempt counted. */
  take(): Job | null
  /** Puts a running job back in its place, with this count of attempts made. */
  giveBack(promptId: string, attempts: number): void
  /** Removes a job that is done with. */
  finish(promptId: string): void
  /** Whether a pending job is to run before this one, which was taken already. */
  isBehind(promptId: string): boolean
  /** Running and pending jobs, pending ones in the order they will run. */
  list(): Promise<{ readonly running: readonly Job[]; readonly pending: readonly Job[] }>
  /** Number of running and pending jobs. */
  size(): number
  has(promptId: string): Promise<boolean>
  /** Removes pending jobs and returns those that were there; running ones stay. */
  remove(promptIds: readonly string[]): Promise<readonly string[]>
  clear(): Promise<void>
  /** Gives a pending job another number, and so another place; false when it does not wait. */
  move(promptId: string, number: number): Promise<boolean>
  /** A paused queue takes jobs and keeps them; the running one goes on. It stays paused after a restart. */
  readonly isPaused: boolean
  setPaused(paused: boolean): Promise<void>
}

export class DuplicateError extends Error {
  override readonly name = 'DuplicateError'
}

/** A job is run at most this often: whatever kills its engine twice would do so a third time. */
export const MAX_ATTEMPTS = 2
