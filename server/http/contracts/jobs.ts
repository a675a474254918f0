/** Contracts of /heddle/jobs and /heddle/queue, and of ComfyUI's /jobs. */
import { z } from 'zod'
import { STATUSES } from '../../jobs/finished.ts'
import {
  bytes,
  EXAMPLE_ID,
  EXAMPLE_PROMPT,
  json,
  nodeErrors,
  promptId,
  refused,
  whole,
  type Contract,
} from './contract.ts'
import { promptBody } from './prompt.ts'

const MAX_WAIT = 600
const time = z.number().nullable().describe('Milliseconds since 1970.')
const record = z.record(z.string(), z.unknown())
const status = z.enum(STATUSES)

export const submission = promptBody.extend({
  continue_on_error: z
    .boolean()
    .optional()
    .describe('When a node fails, runs all that does not depend on it; the job fails in the end.'),
  webhook: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .optional()
    .describe('Hears of the end of the job, signed.'),
})
export const waiting = z.object({
  wait: z.coerce.number().min(0).max(MAX_WAIT).optional().describe('Seconds to wait for the end of the job.'),
})
export const listing = z.object({
  status: z
    .string()
    .optional()
    .describe(`Some of ${STATUSES.join(', ')}, with commas; all when not given.`),
  limit: whole(1, 1000).optional().describe('64 when not given.'),
  offset: whole(0, 1_000_000).optional(),
})
export const place = z
  .union([
    z.strictObject({ to: z.enum(['front', 'back']) }),
    z.strictObject({ before: promptId }),
    z.strictObject({ number: z.number() }),
  ])
  .describe('To the front or back, before another job, or at a number: smaller runs first.')

const node = z.object({
  class_type: z.string(),
  state: z.enum(['waiting', 'cached', 'running', 'finished', 'failed']),
  value: z.number().describe('How far it is, of `max`.'),
  max: z.number(),
  seconds: z.number().nullable().describe('From its start to its end; null before.'),
})
const listed = z.object({
  id: z.string(),
  status,
  number: z.number(),
  position: z.int().nullable().describe('0 runs, 1 is next; null when it has ended.'),
  eta_seconds: z.number().nullable().describe('Until its end, from what its nodes took before; null when not known.'),
  created_at: time,
  started_at: time,
  ended_at: time,
  outputs_count: z.int(),
})
export const jobAnswer = listed.extend({
  error: record.nullable().describe('What the node that failed said.'),
  nodes: z.record(z.string(), node),
  outputs: record.describe('What each output node showed.'),
})
const submitted = jobAnswer.extend({ node_errors: nodeErrors.describe('Of outputs that cannot run while others can.') })
const id = z.object({ id: promptId })
const params = { id: EXAMPLE_ID }
const unknown = refused('No such job.')
const nobody = { id: 'no-such-job' }
const queueState = z.object({ paused: z.boolean(), running: z.array(z.string()), pending: z.array(z.string()) })

export const cancellation = z.object({ job_ids: z.array(z.string()) })
const comfyJob = z.looseObject({
  id: z.string(),
  status,
  priority: z.number(),
  create_time: z.number().optional(),
  outputs_count: z.int(),
})

const pausing = (path: string, summary: string): Contract => ({
  method: 'post',
  path,
  tag: 'Jobs',
  summary,
  replies: { 200: json('The queue now.', queueState) },
  examples: [{}],
})

export const jobContracts: readonly Contract[] = [
  {
    method: 'post',
    path: '/heddle/jobs',
    tag: 'Jobs',
    summary: 'Queue a prompt, and if you like wait for its end',
    query: waiting,
    body: { schema: submission, required: true },
    replies: {
      200: json('It has ended.', submitted),
      202: json('It waits or runs.', submitted),
      400: refused('Not queued; all faults at once.'),
      409: refused('A job with this id exists already.'),
      429: refused('Too many jobs wait.'),
    },
    examples: [
      {
        summary: 'Wait up to 20 seconds',
        query: { wait: 20 },
        body: { prompt: EXAMPLE_PROMPT, continue_on_error: true },
      },
      {
        summary: 'A webhook into the own network',
        body: { prompt: EXAMPLE_PROMPT, webhook: 'http://127.0.0.1/' },
        status: 400,
      },
    ],
  },
  {
    method: 'get',
    path: '/heddle/jobs',
    tag: 'Jobs',
    summary: 'Jobs: those that run or wait in the order they run, then those that have ended, newest first',
    query: listing,
    replies: {
      200: json('The jobs.', z.object({ jobs: z.array(listed), total: z.int(), paused: z.boolean() })),
      400: refused('A parameter is out of its range.'),
    },
    examples: [{}, { query: { status: 'pending,in_progress', limit: 10 } }, { query: { status: 'lost' }, status: 400 }],
  },
  {
    method: 'get',
    path: '/heddle/jobs/:id',
    tag: 'Jobs',
    summary: 'One job, with the times of its nodes and what they showed',
    params: id,
    query: waiting,
    replies: { 200: json('The job.', jobAnswer), 404: unknown },
    examples: [{ params }, { params, query: { wait: 5 } }, { params: nobody, status: 404 }],
  },
  {
    method: 'get',
    path: '/heddle/jobs/:id/events',
    tag: 'Jobs',
    summary: 'What happens to one job, as server-sent events',
    description:
      'First `job`, then the events of the WebSocket under their names, at last `end` with the job; the stream then closes. ' +
      'Who comes back with `Last-Event-ID` hears what was missed, as far as it is kept.',
    params: id,
    replies: { 200: bytes('The events.', 'text/event-stream'), 404: unknown },
    examples: [{ params }, { params: nobody, status: 404 }],
  },
  {
    method: 'post',
    path: '/heddle/jobs/:id/cancel',
    tag: 'Jobs',
    summary: 'Stop a job that runs, or take out one that waits',
    params: id,
    replies: {
      200: json('Whether there was something to cancel.', z.object({ cancelled: z.boolean() })),
      404: unknown,
    },
    examples: [{ params }, { params: nobody, status: 404 }],
  },
  {
    method: 'post',
    path: '/heddle/jobs/:id/move',
    tag: 'Jobs',
    summary: 'Give a job that waits another place in the queue',
    params: id,
    body: { schema: place, required: true },
    replies: {
      200: json('The job.', jobAnswer),
      400: refused('No place.'),
      404: unknown,
      409: refused('It does not wait.'),
    },
    examples: [
      { params, body: { to: 'front' }, status: 409 },
      { params, body: { to: 'side' }, status: 400 },
      { params: nobody, body: { to: 'front' }, status: 404 },
    ],
  },
  {
    method: 'post',
    path: '/heddle/jobs/:id/retry',
    tag: 'Jobs',
    summary: 'Queue the prompt of a job that has ended once more',
    params: id,
    replies: {
      202: json('The new job.', jobAnswer),
      400: refused('It can no longer run.'),
      404: unknown,
      409: refused('It has not ended.'),
      429: refused('Too many jobs wait.'),
    },
    examples: [
      { params, status: 202 },
      { params: nobody, status: 404 },
    ],
  },
  {
    method: 'get',
    path: '/heddle/queue',
    tag: 'Jobs',
    summary: 'The order of the queue, and whether it is paused',
    replies: { 200: json('Ids of the jobs.', queueState) },
    examples: [{}],
  },
  pausing('/heddle/queue/pause', 'Start no further job; the running one goes on'),
  pausing('/heddle/queue/resume', 'Go on'),
  {
    method: 'get',
    path: '/jobs',
    tag: 'ComfyUI jobs',
    summary: 'Jobs as ComfyUI lists them',
    query: z.object({
      status: z.string().optional(),
      workflow_id: z.string().optional(),
      sort_by: z.enum(['created_at', 'execution_duration']).optional(),
      sort_order: z.enum(['asc', 'desc']).optional(),
      limit: z.string().optional(),
      offset: z.string().optional(),
    }),
    replies: {
      200: json(
        'A page.',
        z.object({
          jobs: z.array(comfyJob),
          pagination: z.object({ offset: z.int(), limit: z.int().nullable(), total: z.int(), has_more: z.boolean() }),
        }),
      ),
      400: json('A parameter that is not known.', z.object({ error: z.string() })),
    },
    examples: [
      { query: { status: 'completed,failed,cancelled', limit: 64, offset: 0 } },
      { query: { status: 'lost' }, status: 400 },
      { query: { sort_by: 'execution_duration', sort_order: 'asc' } },
    ],
  },
  {
    method: 'get',
    path: '/jobs/:id',
    tag: 'ComfyUI jobs',
    summary: 'One job as ComfyUI shows it',
    params: id,
    replies: { 200: json('The job.', comfyJob), 404: json('No such job.', z.object({ error: z.string() })) },
    examples: [{ params }, { params: nobody, status: 404 }],
  },
  {
    method: 'post',
    path: '/jobs/:id/cancel',
    tag: 'ComfyUI jobs',
    summary: 'Stop or remove one job',
    params: id,
    replies: { 200: json('Whether there was something to cancel.', z.object({ cancelled: z.boolean() })) },
    examples: [{ params }, { params: nobody }],
  },
  {
    method: 'post',
    path: '/jobs/cancel',
    tag: 'ComfyUI jobs',
    summary: 'Stop or remove several jobs',
    body: { schema: cancellation, required: true },
    replies: {
      200: json('Whether there was something to cancel.', z.object({ cancelled: z.boolean() })),
      400: json('No list of ids.', z.looseObject({ error: z.string() })),
    },
    examples: [{ body: { job_ids: [EXAMPLE_ID] } }, { body: { job_ids: 'all' }, status: 400 }],
  },
]
