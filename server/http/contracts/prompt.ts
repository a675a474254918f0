/** Contracts of /prompt, /queue, /interrupt and /free. */
import { z } from 'zod'
import {
  EXAMPLE_ID, EXAMPLE_PROMPT, json, nodeErrors, nothing, prompt, promptId, refused, type Contract,
} from './contract.ts' // prettier-ignore

export const promptBody = z.looseObject({
  prompt: z
    .union([prompt, z.looseObject({ nodes: z.array(z.unknown()) })])
    .describe('Nodes by id with links as `[node id, output]`; or a workflow as the editor saves it.'),
  client_id: z.string().optional().describe('Session of the WebSocket that hears of this prompt.'),
  prompt_id: promptId.nullish().describe('An id of your own; one that is known already is refused.'),
  number: z.number().optional().describe('Place in the queue: smaller runs first.'),
  front: z.boolean().optional().describe('Runs before everything that waits.'),
  extra_data: z.record(z.string(), z.unknown()).optional().describe('Kept with the prompt.'),
  partial_execution_targets: z.array(z.string()).optional().describe('Runs only these output nodes.'),
})
export const accepted = z.object({ prompt_id: z.string(), number: z.number(), node_errors: nodeErrors })
const item = z
  .array(z.unknown())
  .min(5)
  .describe('[number, prompt id, prompt, extra data, ids of the output nodes that run]')
const body = { prompt: EXAMPLE_PROMPT, prompt_id: EXAMPLE_ID }

export const queueChange = z.looseObject({
  clear: z.boolean().nullish().describe('Removes everything that waits.'),
  delete: z.array(z.string()).nullish().describe('Removes these prompts, if they wait.'),
})
export const interruption = z.looseObject({
  prompt_id: z.string().max(128).nullish().describe('Only if this one runs; without, whichever runs.'),
})
export const freeing = z.looseObject({
  unload_models: z.boolean().nullish(),
  free_memory: z.boolean().nullish().describe('Drops the results of nodes.'),
})

export const promptContracts: readonly Contract[] = [
  {
    method: 'get',
    path: '/prompt',
    tag: 'Queue',
    summary: 'How many prompts run or wait',
    replies: { 200: json('The count.', z.object({ exec_info: z.object({ queue_remaining: z.int().min(0) }) })) },
    examples: [{}],
  },
  {
    method: 'post',
    path: '/prompt',
    tag: 'Queue',
    summary: 'Queue a prompt',
    description: 'A prompt that is answered with 200 is on disk: it will be run or reported.',
    body: { schema: promptBody, required: true },
    replies: {
      200: json('Queued. `node_errors` names outputs that cannot run while others can.', accepted),
      400: refused('Not queued; all faults at once.'),
      409: refused('A prompt with this id exists already.'),
      429: refused('Too many prompts wait; `Retry-After` says when to come again.'),
    },
    examples: [
      { summary: 'Shows a picture again', body },
      { summary: 'The same id a second time', body, status: 409 },
      {
        summary: 'A node that does not exist',
        body: { prompt: { 1: { class_type: 'Nothing', inputs: {} } } },
        status: 400,
      },
      { summary: 'No prompt', body: {}, status: 400 },
    ],
  },
  {
    method: 'get',
    path: '/queue',
    tag: 'Queue',
    summary: 'Prompts that run or wait, in the order they will run',
    replies: {
      200: json('The prompts.', z.object({ queue_running: z.array(item), queue_pending: z.array(item) })),
    },
    examples: [{}],
  },
  {
    method: 'post',
    path: '/queue',
    tag: 'Queue',
    summary: 'Remove prompts that wait',
    body: { schema: queueChange },
    replies: { 200: nothing, 400: refused('The body is no JSON object that fits.') },
    examples: [{ body: { delete: ['no-such-prompt'] } }, { body: { clear: true } }],
  },
  {
    method: 'post',
    path: '/interrupt',
    tag: 'Queue',
    summary: 'Stop the running prompt',
    body: { schema: interruption },
    replies: { 200: nothing, 400: refused('The body is no JSON object that fits.') },
    examples: [{}, { body: { prompt_id: 'no-such-prompt' } }],
  },
  {
    method: 'post',
    path: '/free',
    tag: 'Queue',
    summary: 'Drop results kept in memory, or close models, between two prompts',
    body: { schema: freeing },
    replies: { 200: nothing, 400: refused('The body is no JSON object that fits.') },
    examples: [{ body: { free_memory: true } }],
  },
]
