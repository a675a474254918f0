/** What the server process and the engine child say to each other; every message is plain data, sent in order. */
import { z } from 'zod'
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

/** Class name to definition, shaped as GET /object_info. */
export type ObjectInfo = Readonly<Record<string, ClassInfo>>
export interface ClassInfo {
  readonly input: Readonly<Record<string, Readonly<Record<string, readonly unknown[] | string>>>>
  readonly input_order: Readonly<Record<string, readonly string[]>>
  readonly output: readonly string[]
  readonly output_node: boolean
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
      readonly prompt: unknown
      readonly targets: readonly string[] | null
    }
  | { readonly kind: 'run'; readonly job: RunJob }
  | { readonly kind: 'cancel'; readonly promptId: string }
  /** Asks for all jobs back that have not started. */
  | { readonly kind: 'recall' }
  | { readonly kind: 'free'; readonly models: boolean; readonly memory: boolean }
  | { readonly kind: 'stop' }

/** A text event for clients: `type` and `data` as they go over the websocket. */
export interface TextEvent {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
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
export type Outcome = 'success' | 'error' | 'interrupted'

/** Messages from the child, checked at the door: a pack that calls process.send itself must not confuse the server. */
const Events = z.array(z.custom<EngineEvent>((event) => typeof (event as { type?: unknown } | null)?.type === 'string'))
export const FromEngine = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), nodes: z.number(), problems: z.array(z.string()) }),
  z.object({ kind: z.literal('answer'), id: z.number(), value: z.unknown(), error: z.string().optional() }),
  z.object({ kind: z.literal('recalled'), promptIds: z.array(z.string()) }),
  z.object({ kind: z.literal('events'), promptId: z.string(), events: Events }),
  z.object({
    kind: z.literal('done'),
    promptId: z.string(),
    outcome: z.enum(['success', 'error', 'interrupted']),
    /** The last events, ahead of the end. */
    events: Events,
  }),
])
export type FromEngine = z.infer<typeof FromEngine>

export const isPreview = (event: EngineEvent): event is PreviewEvent => event.type === 'preview' && 'bytes' in event
