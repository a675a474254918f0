/** /heddle/jobs and /heddle/queue: jobs by id, with their times and their place, and the queue's order. */
import type { Request, Response, Router } from 'express'
import { STATUSES, type Summary } from '../jobs/finished.ts'
import { JobStateError, type Detailed, type Jobs, type Placed } from '../jobs/jobs.ts'
import type { Webhooks } from '../jobs/webhooks.ts'
import { webhookFault } from '../guard/address.ts'
import { isRecord, stringifyExact } from '../json.ts'
import { checked, HttpError, jsonOf, objectOf, sendJson, textOf } from './body.ts'
import type { Context } from './context.ts'
import { readText } from './read-body.ts'
import { listing, place, submission, waiting } from './contracts/jobs.ts'
import { answerRefusal, MAX_BODY, queuePrompt } from './prompt.ts'
import { streamEvents } from './event-stream.ts'

const LISTED = 64
const SMALL_BODY = 1 << 16

const listed = (job: Placed) => ({
  id: job.id,
  status: job.status,
  number: job.number,
  position: job.position,
  eta_seconds: job.eta,
  created_at: job.created,
  started_at: job.started,
  ended_at: job.ended,
  outputs_count: job.outputsCount,
})

/** A job as it is answered: each node of the prompt, and those that were added while it ran. */
function detailed(job: Detailed): Record<string, unknown> {
  const classOf = (id: string): string => {
    const node = job.prompt[id]
    return isRecord(node) ? String(node['class_type']) : ''
  }
  const waiting = { state: 'waiting', value: 0, max: 1, seconds: null }
  const ids = new Set([...Object.keys(job.prompt), ...Object.keys(job.nodes)])
  const nodes = [...ids].map((id) => [id, { class_type: classOf(id), ...(job.nodes[id] ?? waiting) }] as const)
  return { ...listed(job), error: job.error, nodes: Object.fromEntries(nodes), outputs: job.outputs }
}

const over = ({ status }: Summary): boolean => status !== 'pending' && status !== 'in_progress'

async function known(context: Context, id: string): Promise<Detailed> {
  const job = await context.jobs.find(id)
  if (!job) throw new HttpError(404, `There is no job '${id.slice(0, 80)}'.`)
  return job
}

/** A signal that aborts when the client goes away. */
function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return gone.signal
}

/** The body of a prompt with what this route adds to it under `extra_data.heddle`. */
function bodyOf(request: Request, context: Context): Record<string, unknown> {
  const body = objectOf(request)
  const { continue_on_error, webhook } = checked(submission.pick({ continue_on_error: true, webhook: true }), body)
  const fault = webhook === undefined ? null : webhookFault(webhook, context.webhooks.allowPrivate)
  if (fault !== null) throw new HttpError(400, `webhook: ${fault}`)
  const extra = isRecord(body['extra_data']) ? body['extra_data'] : {}
  const heddle = { ...(continue_on_error === true ? { continue_on_error } : {}), ...(webhook ? { webhook } : {}) }
  return { ...body, extra_data: { ...extra, heddle } }
}

async function submit(request: Request, response: Response, context: Context): Promise<void> {
  const { wait } = checked(waiting, request.query)
  const { prompt_id: id, node_errors } = await queuePrompt(bodyOf(request, context), textOf(request), context)
  context.dispatcher.wake()
  await context.jobs.wait(id, wait ?? 0, goneSignal(response))
  const job = await known(context, id)
  sendJson(response, { ...detailed(job), node_errors }, over(job) ? 200 : 202)
}

async function retry(id: string, response: Response, context: Context): Promise<void> {
  const job = await known(context, id)
  if (!over(job)) throw new JobStateError(`The job '${id}' has not ended, so there is nothing to try again.`)
  const client = job.extraData['client_id']
  const body = {
    prompt: job.prompt,
    extra_data: job.extraData,
    ...(typeof client === 'string' ? { client_id: client } : {}),
  }
  const { prompt_id } = await queuePrompt(body, stringifyExact({ prompt: job.prompt }), context)
  context.dispatcher.wake()
  sendJson(response, detailed(await known(context, prompt_id)), 202)
}

async function list(request: Request, response: Response, { jobs }: Context): Promise<void> {
  const { status, limit = LISTED, offset = 0 } = checked(listing, request.query)
  const wanted = (status ?? STATUSES.join()).split(',')
  const strange = wanted.find((one) => !STATUSES.some((name) => name === one))
  if (strange !== undefined)
    throw new HttpError(400, `status: '${strange.slice(0, 40)}' is none of ${STATUSES.join(', ')}`)
  const ended = jobs
    .finished()
    .reverse()
    .map((job): Placed => ({ ...job, position: null, eta: null }))
  const all: Placed[] = [...(await jobs.unfinished()), ...ended]
  const fitting = all.filter((job) => wanted.includes(job.status))
  const page = fitting.slice(offset, offset + limit).map(listed)
  sendJson(response, { jobs: page, total: fitting.length, paused: jobs.isPaused })
}

async function sendQueue(response: Response, { jobs }: Context): Promise<void> {
  const all = await jobs.unfinished()
  const ids = (status: string) => all.filter((job) => job.status === status).map(({ id }) => id)
  sendJson(response, { paused: jobs.isPaused, running: ids('in_progress'), pending: ids('pending') })
}

/** Runs a handler and turns what the jobs throw into statuses. */
const answering =
  (handler: (request: Request<{ id: string }>, response: Response) => Promise<void>) =>
  async (request: Request<{ id: string }>, response: Response) => {
    try {
      await handler(request, response)
    } catch (error) {
      if (error instanceof JobStateError) throw new HttpError(409, error.message)
      throw error
    }
  }

export function jobRoutes(router: Router, context: Context): void {
  const { jobs } = context

  router.post('/heddle/jobs', readText(MAX_BODY), async (request, response) => {
    try {
      await submit(request, response, context)
    } catch (error) {
      answerRefusal(error, response)
    }
  })
  router.get('/heddle/jobs', (request, response) => list(request, response, context))
  router.get('/heddle/jobs/:id', async (request, response) => {
    const { id } = request.params
    const { wait } = checked(waiting, request.query)
    await jobs.wait(id, wait ?? 0, goneSignal(response))
    sendJson(response, detailed(await known(context, id)))
  })
  router.get('/heddle/jobs/:id/events', async (request, response) => {
    const { id } = request.params
    await known(context, id)
    const snapshot = async () => {
      const job = await jobs.find(id)
      return job ? stringifyExact(detailed(job)) : 'null'
    }
    await streamEvents(request, response, snapshot, async (after, hear, end) => {
      const job = await jobs.find(id)
      if (job && !over(job)) return jobs.follow(id, after, hear, end)
      end()
      return () => undefined
    })
  })
  router.post('/heddle/jobs/:id/cancel', async (request, response) => {
    const { id } = request.params
    await known(context, id)
    sendJson(response, { cancelled: await jobs.cancel(id) })
  })
  router.post(
    '/heddle/jobs/:id/move',
    readText(SMALL_BODY),
    answering(async (request, response) => {
      const { id } = request.params
      const where = checked(place, jsonOf(request))
      await known(context, id)
      await jobs.move(id, where)
      sendJson(response, detailed(await known(context, id)))
    }),
  )
  router.post(
    '/heddle/jobs/:id/retry',
    answering(async (request, response) => {
      try {
        await retry(request.params.id, response, context)
      } catch (error) {
        if (error instanceof HttpError || error instanceof JobStateError) throw error
        answerRefusal(error, response)
      }
    }),
  )
  router.get('/heddle/queue', (_request, response) => sendQueue(response, context))
  for (const paused of [true, false])
    router.post(paused ? '/heddle/queue/pause' : '/heddle/queue/resume', async (_request, response) => {
      await jobs.pause(paused)
      await sendQueue(response, context)
    })
}

/** Posts the job that has ended to the URL that was given with it. */
export function tellWebhook(id: string, url: string | null, jobs: Jobs, webhooks: Webhooks): void {
  if (url === null) return
  void jobs.find(id).then((job) => {
    if (job) webhooks.send(url, stringifyExact({ event: 'job.ended', job: detailed(job) }))
  })
}
