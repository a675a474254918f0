/** The server that the page came from, and what the page asks of it in more than one call. */
import { Heddle, HeddleError, type JobSummary, type Submitted } from './sdk/heddle.ts'

export const server = new Heddle()

/** Jobs that run, and jobs that wait in the order they will run. */
export interface Queue {
  readonly running: readonly JobSummary[]
  readonly pending: readonly JobSummary[]
}

/** Most jobs that are shown. */
const MAX_QUEUE = 1000

export async function readQueue(): Promise<Queue> {
  const jobs = await server.jobs(['in_progress', 'pending'], MAX_QUEUE)
  return {
    running: jobs.filter(({ status }) => status === 'in_progress'),
    pending: jobs.filter(({ status }) => status === 'pending'),
  }
}

/** Queues a prompt with its workflow; a refusal that names faults is an answer, not an exception. */
export async function submit(prompt: object, workflow: unknown, clientId: string): Promise<Submitted | HeddleError> {
  try {
    return await server.submit(prompt, { clientId, extraData: { extra_pnginfo: { workflow } } })
  } catch (error) {
    if (error instanceof HeddleError && error.faults.length > 0) return error
    throw error
  }
}
