/** POST and GET /prompt: checks a prompt, queues it, and tells how many are waiting. */
import { randomUUID } from 'node:crypto'
import type { Response, Router } from 'express'
import type { NodeError, NodeErrors, Secrets } from '../engine/protocol.ts'
import { tooLarge } from '../engine/shape.ts'
import { isRecord, stringifyExact } from '../json.ts'
import { DuplicateError } from '../queue/port.ts'
import { isWorkflow, toPrompt } from '../../formats/workflow/to-prompt.ts'
import { HttpError, objectOf, sendJson, textOf, texts } from './body.ts'
import type { Context } from './context.ts'
import { readText } from './read-body.ts'

export const MAX_BODY = 32 << 20
const MAX_ID = 128

/** A refusal with its status and the answer's body. */
class Refused extends Error {
  readonly status: number
  readonly error: NodeError
  readonly nodeErrors: Readonly<Record<string, NodeErrors>>
  constructor(status: number, error: NodeError, nodeErrors: Readonly<Record<string, NodeErrors>> = {}) {
    super(error.message)
    this.status = status
    this.error = error
    this.nodeErrors = nodeErrors
  }
}

const refused = (status: number, type: string, message: string, details = ''): Refused =>
  new Refused(status, { type, message, details, extra_info: {} })

/** The id of the new prompt: the client's, or one of ours. */
async function promptId(wanted: unknown, context: Context): Promise<string> {
  if (wanted === undefined || wanted === null) return randomUUID()
  const id = typeof wanted === 'number' || typeof wanted === 'bigint' ? String(wanted) : wanted

  if (typeof id !== 'string' || id === '' || id.length > MAX_ID || /[\u0000-\u001f]/.test(id))
    throw refused(400, 'invalid_prompt_id', 'prompt_id must be a text', `1 to ${MAX_ID} characters without line breaks`)
  if ((await context.queue.has(id)) || context.history.has(id))
    throw refused(409, 'duplicate_prompt_id', 'A prompt with this id exists already', id)
  return id
}

/** The place in the queue: given, in front of all, or behind all. The counter goes on in any case. */
async function placeOf(body: Readonly<Record<string, unknown>>, context: Context): Promise<number> {
  const next = await context.queue.nextNumber()
  const given = body['number']
  if (given === undefined || given === null) return body['front'] === true ? -next : next
  const number = Number(given)
  if (!Number.isFinite(number)) throw refused(400, 'invalid_number', 'number must be a finite number', '')
  return number
}

/** What nodes and history get beside the prompt. */
function extraDataOf(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const {
    auth_token_comfy_org: _token,
    api_key_comfy_org: _key,
    ...extra
  } = isRecord(body['extra_data']) ? body['extra_data'] : {}
  const client = body['client_id']
  return { ...extra, ...(typeof client === 'string' ? { client_id: client } : {}), create_time: Date.now() }
}

/** Keys in `extra_data` that only nodes get. */
function secretsOf(body: Readonly<Record<string, unknown>>): Secrets | undefined {
  const extra = isRecord(body['extra_data']) ? body['extra_data'] : {}
  const text = (name: keyof Secrets) => (typeof extra[name] === 'string' ? extra[name] : undefined)
  const secrets: Secrets = {
    auth_token_comfy_org: text('auth_token_comfy_org'),
    api_key_comfy_org: text('api_key_comfy_org'),
  }
  return Object.values(secrets).some((secret) => secret !== undefined) ? secrets : undefined
}

/** What the engine is to check: the body itself, or the API prompt of the editor's workflow that the body holds. */
async function postedPrompt(
  text: string,
  posted: unknown,
  context: Context,
): Promise<{ text: string; workflow: unknown }> {
  if (!isWorkflow(posted)) return { text, workflow: undefined }
  return { text: stringifyExact({ prompt: toPrompt(posted, await context.objectInfo()) }), workflow: posted }
}

/** Checks and stores a prompt; throws what `answerRefusal` can answer. `text` is JSON with the same `prompt` as the body. */
export async function queuePrompt(body: Readonly<Record<string, unknown>>, text: string, context: Context) {
  if (body['prompt'] === undefined)
    throw refused(400, 'no_prompt', 'No prompt provided', 'the body must have the key "prompt"')
  if (context.queue.size() >= context.maxQueue)
    throw refused(429, 'queue_full', 'The queue is full', `${context.maxQueue} prompts are waiting; try again later`)
  const number = await placeOf(body, context)
  const id = await promptId(body['prompt_id'], context)
  // Before it travels to the engine, which takes far longer than counting.
  const large = tooLarge(body['prompt'])
  if (large) throw new Refused(400, large)
  const { text: posted, workflow } = await postedPrompt(text, body['prompt'], context)
  const targets = body['partial_execution_targets']
  const checked = await context.engine.validate(posted, Array.isArray(targets) ? texts(targets) : null)
  if (!checked.ok) throw new Refused(400, checked.error, checked.nodeErrors)
  const extraData = extraDataOf(body)
  if (workflow !== undefined && extraData['extra_pnginfo'] === undefined) extraData['extra_pnginfo'] = { workflow }
  const secrets = secretsOf(body)
  const { prompt, outputs } = checked
  await context.queue.put({
    number,
    promptId: id,
    outputs,
    extraData,
    secrets,
    texts: { prompt, extraData: stringifyExact(extraData), outputs: JSON.stringify(outputs) },
  })
  context.dispatcher.tellStatus()
  return { prompt_id: id, number, node_errors: checked.nodeErrors }
}

/** Answers a refusal by queuePrompt; throws on what is none. */
export function answerRefusal(error: unknown, response: Response): void {
  const refusal =
    error instanceof DuplicateError
      ? refused(409, 'duplicate_prompt_id', error.message)
      : error instanceof HttpError
        ? refused(error.status, 'invalid_json', error.message)
        : error
  if (!(refusal instanceof Refused)) throw error
  if (refusal.status === 429) response.set('Retry-After', '10')
  sendJson(response, { error: refusal.error, node_errors: refusal.nodeErrors }, refusal.status)
}

export function promptRoutes(router: Router, context: Context): void {
  router.get('/prompt', (_request, response) => {
    sendJson(response, { exec_info: { queue_remaining: context.queue.size() } })
  })

  router.post('/prompt', readText(MAX_BODY), async (request, response) => {
    try {
      const answer = await queuePrompt(objectOf(request), textOf(request), context)
      sendJson(response, answer)
      context.dispatcher.wake()
    } catch (error) {
      answerRefusal(error, response)
    }
  })
}
