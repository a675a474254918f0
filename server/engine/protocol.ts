/**
 * What the server process and the engine child say to each other; every message is plain data, sent in order. Prompts and events
 * travel as JSON: a text crosses far faster than the objects it stands for, and goes on to disk and to clients as it is.
 */
import { isRecord, parseOwn } from '../json.ts'
import type { ModelDir } from '../store/model-folders.ts'
import type { NodeNames } from './graph.ts'

/** One node of an API prompt after the body has been looked at: links are `[node id, slot]`. */
export interface PromptNode {
  readonly class_type: string
  readonly inputs: Readonly<Record<string, unknown>>
  readonly _meta?: { readonly title?: string }
}
/** Node id to node. Made without prototype where it is built, so that ids like `constructor` are ordinary. */
export type Prompt = Readonly<Record<string, PromptNode>>

/** One fault of one node, as ComfyUI publishes it. */
export interface NodeError {
  readonly type: string
  readonly message: string
  readonly details: string
  readonly extra_info: Readonly<Record<string, unknown>>
}
export interface NodeErrors {
  readonly class_type: string
  readonly errors: readonly NodeError[]
  /** Output nodes that cannot run because of this node. */
  readonly dependent_outputs: readonly string[]
}

/** The answer to a posted prompt: refused (`error`), or accepted with the outputs that can run. */
export type Validation =
  | {
      readonly ok: true
      /** The prompt with its literals coerced to what the nodes will see. */
      readonly prompt: Prompt
      readonly outputs: readonly string[]
      readonly nodeErrors: Readonly<Record<string, NodeErrors>>
    }
  | { readonly ok: false; readonly error: NodeError; readonly nodeErrors: Readonly<Record<string, NodeErrors>> }

/** A Validation as it is answered: the prompt as JSON. */
export type Verdict =
  (Omit<Extract<Validation, { ok: true }>, 'prompt'> & { readonly prompt: string }) | Extract<Validation, { ok: false }>

/** Class name to definition, shaped as GET /object_info. */
export type ObjectInfo = Readonly<Record<string, ClassInfo>>
export interface ClassInfo {
  readonly input: Readonly<Record<string, Readonly<Record<string, readonly unknown[] | string>>>>
  readonly input_order: Readonly<Record<string, readonly string[]>>
  readonly output: readonly string[]
  readonly output_name: readonly string[]
  readonly output_node: boolean
  readonly display_name: string
  readonly description: string
  readonly [key: string]: unknown
}

/** Which results are kept: those of the current prompt, also up to `size` older ones, none, or all while this much memory is free. */
export type CachePolicy =
  | { readonly kind: 'classic' }
  | { readonly kind: 'lru'; readonly size: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'memory'; readonly gigabytes: number }

/** Where an engine finds its files and nodes; sent once, as the first message. */
export interface EngineInit {
  /** Absolute paths. */
  readonly folders: { readonly input: string; readonly output: string; readonly temp: string }
  readonly modelDirs: readonly ModelDir[]
  readonly nodeDirs: readonly string[]
  /** Bytes of weights that may be open at once; null for a share of the machine's memory. */
  readonly memory: number | null
  readonly metadata: boolean
  /** Longest side of preview pictures in pixels; 0 sends none. */
  readonly previewSize: number
  readonly cache: CachePolicy
  /** Where the engine writes down which node runs, for when it dies over it; null for nowhere. */
  readonly markFile: string | null
}

/** Keys of the user for services that nodes call, by their names in `extra_data`. */
export type Secrets = Readonly<Record<'auth_token_comfy_org' | 'api_key_comfy_org', string | undefined>>

/** A prompt to run, as it is sent. */
export interface RunRequest {
  readonly promptId: string
  /** JSON. */
  readonly prompt: string
  readonly extraData: string
  readonly outputs: readonly string[]
  readonly secrets?: Secrets | undefined
}

/** A prompt to run. */
export interface RunJob {
  readonly promptId: string
  readonly prompt: Prompt
  readonly outputs: readonly string[]
  readonly extraData: Readonly<Record<string, unknown>>
  readonly secrets?: Secrets | undefined
}

export type ToEngine =
  | { readonly kind: 'init'; readonly init: EngineInit }
  | { readonly kind: 'objectInfo'; readonly id: number }
  | {
      readonly kind: 'validate'
      readonly id: number
      /** JSON of an object that has the prompt under `prompt`. */
      readonly posted: string
      readonly targets: readonly string[] | null
    }
  | { readonly kind: 'run'; readonly job: RunRequest }
  | { readonly kind: 'cancel'; readonly promptId: string }
  /** Asks for all jobs back that have not started. */
  | { readonly kind: 'recall' }
  | { readonly kind: 'free'; readonly models: boolean; readonly memory: boolean }
  | { readonly kind: 'stop' }

/** A text event for clients: `type` and `data` as they go over the websocket. */
export interface TextEvent {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
  /** The two above as JSON, where the engine wrote it already. */
  readonly json?: string
  /** When it happened in the engine, in ms since 1970: it may have waited since, for others or for the processor. */
  readonly at?: number
}
/** A preview picture, JPEG or PNG bytes. */
export interface PreviewEvent {
  readonly type: 'preview'
  readonly names: NodeNames
  readonly mime: 'image/jpeg' | 'image/png'
  readonly bytes: Uint8Array
}
export type EngineEvent = TextEvent | PreviewEvent

/** How a run ended; its last event says the same to clients. */
export const OUTCOMES = ['success', 'error', 'interrupted'] as const
export type Outcome = (typeof OUTCOMES)[number]

/** Events in their order, those that are text as JSON, and the time of each, in ms since 1970. */
export interface SentEvents {
  readonly events: readonly (string | PreviewEvent)[]
  readonly times: readonly number[]
}

export type FromEngine =
  | { readonly kind: 'ready'; readonly nodes: number; readonly problems: readonly string[] }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown; readonly error?: string | undefined }
  | { readonly kind: 'recalled'; readonly promptIds: readonly string[] }
  | ({ readonly kind: 'events'; readonly promptId: string } & SentEvents)
  /** `events` are the last, ahead of the end. */
  | ({ readonly kind: 'done'; readonly promptId: string; readonly outcome: Outcome } & SentEvents)

type WithEvents = Extract<FromEngine, SentEvents>
export type Received =
  | Exclude<FromEngine, WithEvents>
  | (Omit<Extract<WithEvents, { kind: 'events' }>, keyof SentEvents> & { readonly events: readonly EngineEvent[] })
  | (Omit<Extract<WithEvents, { kind: 'done' }>, keyof SentEvents> & { readonly events: readonly EngineEvent[] })

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((one) => typeof one === 'string')
const isSent = ({ events, times }: Readonly<Record<string, unknown>>): boolean =>
  Array.isArray(events) &&
  events.every((one) => typeof one === 'string' || (isRecord(one) && one['type'] === 'preview')) &&
  Array.isArray(times) &&
  times.length === events.length &&
  times.every((one) => typeof one === 'number')

/** What each kind of message must have, looked at only as far as it takes to tell a pack that calls process.send itself. */
const PARTS: Readonly<Record<FromEngine['kind'], (message: Readonly<Record<string, unknown>>) => boolean>> = {
  ready: ({ problems }) => isTexts(problems),
  answer: ({ id }) => typeof id === 'number',
  recalled: ({ promptIds }) => isTexts(promptIds),
  events: isSent,
  done: (message) => OUTCOMES.some((one) => one === message['outcome']) && isSent(message),
}

const isFromEngine = (message: unknown): message is FromEngine =>
  isRecord(message) &&
  Object.hasOwn(PARTS, String(message['kind'])) &&
  PARTS[message['kind'] as FromEngine['kind']](message)

function readEvent(json: string, at: number | undefined): TextEvent {
  const event = parseOwn(json)
  if (!isRecord(event) || typeof event['type'] !== 'string' || !isRecord(event['data'])) throw new TypeError('no event')
  return { type: event['type'], data: event['data'], json, ...(at === undefined ? {} : { at }) }
}

/** A message from the child with its events read; null for anything else, such as what a pack sends by itself. */
export function readFromEngine(message: unknown): Received | null {
  if (!isFromEngine(message)) return null
  if (message.kind !== 'events' && message.kind !== 'done') return message
  try {
    const { events, times, ...rest } = message
    return { ...rest, events: events.map((one, i) => (typeof one === 'string' ? readEvent(one, times[i]) : one)) }
  } catch {
    return null
  }
}

export const isPreview = (event: EngineEvent): event is PreviewEvent => event.type === 'preview' && 'bytes' in event
