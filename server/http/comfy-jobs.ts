/** /jobs: jobs as ComfyUI's editor lists, opens and cancels them. */
import type { Request, Router } from 'express'
import { STATUSES, type Summary } from '../jobs/finished.ts'
import { objectOf, queryText, sendJson } from './body.ts'
import type { Context } from './context.ts'
import { cancellation } from './contracts/jobs.ts'
import { readText } from './read-body.ts'

const MAX_BODY = 1 << 20

interface Page {
  readonly wanted: readonly string[]
  readonly workflowId: string | null
  readonly byDuration: boolean
  readonly ascending: boolean
  readonly limit: number | null
  readonly offset: number
}

const oneOf = (text: string | null, known: readonly string[]): string | null =>
  known.find((one) => one === (text ?? known[0])) ?? null

/** What is asked for; a text says what is wrong with it. */
function pageOf(request: Request): Page | string {
  const wanted = (queryText(request, 'status') ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
  const strange = wanted.filter((one) => !STATUSES.some((known) => known === one))
  if (strange.length > 0) return `Invalid status value(s): ${strange.join(', ')}. Valid values: ${STATUSES.join(', ')}`
  const sortBy = oneOf(queryText(request, 'sort_by'), ['created_at', 'execution_duration'])
  if (sortBy === null) return 'sort_by must be one of created_at, execution_duration'
  const order = oneOf(queryText(request, 'sort_order'), ['desc', 'asc'])
  if (order === null) return 'sort_order must be one of asc, desc'
  const [limit, offset] = [queryText(request, 'limit'), queryText(request, 'offset') ?? '0']
  if (limit !== null && !/^0*[1-9]\d{0,8}$/.test(limit)) return 'limit must be a positive integer'
  if (!/^-?\d{1,9}$/.test(offset)) return 'offset must be an integer'
  return {
    wanted,
    workflowId: queryText(request, 'workflow_id'),
    byDuration: sortBy === 'execution_duration',
    ascending: order === 'asc',
    limit: limit === null ? null : Number(limit),
    offset: Math.max(0, Number(offset)),
  }
}

/** Absent values are left out. */
function shown(job: Summary): Record<string, unknown> {
  const given = {
    create_time: job.created,
    execution_start_time: job.started,
    execution_end_time: job.ended,
    execution_error: job.error,
    preview_output: job.preview,
    workflow_id: job.workflowId,
  }
  const present = Object.entries(given).filter(([, value]) => value !== null)
  return {
    id: job.id,
    status: job.status,
    priority: job.number,
    outputs_count: job.outputsCount,
    ...Object.fromEntries(present),
  }
}

const duration = ({ started, ended }: Summary): number => (started === null ? 0 : (ended ?? Date.now()) - started)

async function page(context: Context, asked: Page): Promise<unknown> {
  const { wanted, workflowId, byDuration, ascending, limit, offset } = asked
  const all: Summary[] = [...(await context.jobs.unfinished()), ...context.jobs.finished()]
  const fitting = all.filter(
    (job) =>
      (wanted.length === 0 || wanted.includes(job.status)) && (workflowId === null || job.workflowId === workflowId),
  )
  const key = byDuration ? duration : ({ created }: Summary) => created ?? 0
  const sorted = fitting.sort((a, b) => (ascending ? key(a) - key(b) : key(b) - key(a)))
  const jobs = sorted.slice(offset, limit === null ? undefined : offset + limit)
  const total = sorted.length
  return { jobs: jobs.map(shown), pagination: { offset, limit, total, has_more: offset + jobs.length < total } }
}

export function comfyJobRoutes(router: Router, context: Context): void {
  const { jobs } = context

  router.get('/jobs', async (request, response) => {
    const asked = pageOf(request)
    if (typeof asked === 'string') sendJson(response, { error: asked }, 400)
    else sendJson(response, await page(context, asked))
  })

  router.get('/jobs/:id', async (request, response) => {
    const { id } = request.params
    const job = await jobs.find(id)
    if (!job) {
      sendJson(response, { error: 'Job not found' }, 404)
      return
    }
    const { outputs, prompt, extraData } = job
    const status = context.history.get(id)?.status
    const more = status === undefined ? {} : { execution_status: status }
    sendJson(response, { ...shown(job), outputs, ...more, workflow: { prompt, extra_data: extraData } })
  })

  router.post('/jobs/cancel', readText(MAX_BODY), async (request, response) => {
    const asked = cancellation.safeParse(objectOf(request))
    if (!asked.success) {
      sendJson(response, { error: 'job_ids must be a list of ids' }, 400)
      return
    }
    let cancelled = false
    for (const id of asked.data.job_ids) cancelled = (await jobs.drop(id)) || cancelled
    sendJson(response, { cancelled })
  })

  router.post('/jobs/:id/cancel', async (request, response) => {
    sendJson(response, { cancelled: await jobs.drop(request.params.id) })
  })
}
