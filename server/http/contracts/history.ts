/** Contracts of /history and of the reports beside it. */
import { z } from 'zod'
import { EXAMPLE_ID, json, nothing, promptId, refused, whole, type Contract } from './contract.ts'
import { queueChange } from './prompt.ts'

const entry = z.object({
  prompt: z.array(z.unknown()).describe('[number, prompt id, prompt, extra data, ids of the output nodes that ran]'),
  outputs: z.record(z.string(), z.looseObject({})).describe('What each output node showed.'),
  status: z.object({
    status_str: z.enum(['success', 'error']),
    completed: z.boolean(),
    messages: z.array(z.tuple([z.string(), z.looseObject({})])),
  }),
  meta: z.record(z.string(), z.unknown()),
})
const id = z.object({ id: promptId })
export const reportsAsked = z.object({ max_items: whole(0, 999_999_999).optional().describe('64 when not given.') })
const summary = z.looseObject({ node: z.string(), index: z.int(), complete: z.boolean() })

export const historyContracts: readonly Contract[] = [
  {
    method: 'get',
    path: '/history',
    tag: 'History',
    summary: 'What became of the prompts, oldest first',
    query: z.object({
      max_items: whole(-1, 999_999_999).optional().describe('The newest ones, as many as this.'),
      offset: whole(-1, 999_999_999).optional().describe('Skips so many from the oldest.'),
    }),
    replies: {
      200: json('Entries by prompt id.', z.record(z.string(), entry)),
      400: json('A parameter is no whole number.', z.object({ error: z.string() })),
    },
    examples: [{}, { query: { max_items: 4 } }, { query: { max_items: 2, offset: 0 } }],
  },
  {
    method: 'get',
    path: '/history/:id',
    tag: 'History',
    summary: 'What became of one prompt',
    params: id,
    replies: { 200: json('The entry by its id; nothing while it waits or runs.', z.record(z.string(), entry)) },
    examples: [{ params: { id: EXAMPLE_ID } }, { params: { id: 'no-such-prompt' } }],
  },
  {
    method: 'post',
    path: '/history',
    tag: 'History',
    summary: 'Forget prompts',
    body: { schema: queueChange },
    replies: { 200: nothing, 400: refused('The body is no JSON object.') },
    examples: [{ body: { delete: ['no-such-prompt'] } }],
  },
  {
    method: 'get',
    path: '/heddle/reports',
    tag: 'History',
    summary: 'Summaries of the sampling runs of the newest prompts',
    query: reportsAsked,
    replies: {
      200: json('Summaries by prompt id.', z.record(z.string(), z.array(summary))),
      400: refused('max_items is no whole number.'),
    },
    examples: [{}, { query: { max_items: 8 } }],
  },
  {
    method: 'get',
    path: '/heddle/reports/:id',
    tag: 'History',
    summary: 'What the sampling runs of one prompt computed, reused and drifted',
    params: id,
    replies: {
      200: json('The reports.', z.object({ reports: z.array(z.looseObject({})), warnings: z.array(z.unknown()) })),
      404: refused('No prompt of this id has ended.'),
    },
    examples: [{ params: { id: EXAMPLE_ID } }, { params: { id: 'no-such-prompt' }, status: 404 }],
  },
]
