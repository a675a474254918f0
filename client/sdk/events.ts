/** Events of the WebSocket: text messages checked, binary frames taken apart. */
import type { ReportRow } from '../../diffusion/caching/report-types.ts'
import { z } from './zod.ts'

export const fileReference = z.object({
  filename: z.string(),
  subfolder: z.string().default(''),
  type: z.string().default('output'),
})
export type FileReference = z.infer<typeof fileReference>

const id = z.union([z.string(), z.number()]).transform(String)
const promptId = z.string()
const message = <T extends string, D extends z.ZodType>(type: T, data: D) => z.object({ type: z.literal(type), data })

/** Values that a node proposes for the fields of the node at one of its inputs. */
const proposal = z.object({
  input: z.string(),
  values: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])),
})
export type Proposal = z.infer<typeof proposal>

/** Outputs of a node that clients can show; other keys are dropped. */
export const nodeOutput = z.object({
  heddle_settings: z.array(proposal).optional().catch(undefined),
  images: z.array(fileReference).optional().catch(undefined),
  text: z.array(z.coerce.string()).optional().catch(undefined),
})

export const reportRow = z
  .object({
    evaluation: z.number().int().min(0),
    sample: z.number().int().min(0),
    branch: z.enum(['cond', 'uncond']),
    sigma: z.number(),
    decision: z.enum(['full', 'resumed', 'skipped', 'partial']),
    blocks: z.number().min(0),
    modules: z.record(z.string(), z.number()).default({}),
    flops: z.number().min(0).default(0),
    milliseconds: z.number().min(0),
    // A drift that is not finite travels as null.
    drift: z.number().nullish(),
    accumulated: z.number().nullish(),
    gain: z.number().nullish(),
    forced: z.string().nullish(),
  })
  .transform(({ drift, accumulated, gain, forced, ...row }): ReportRow => ({
    ...row,
    ...(drift == null ? {} : { drift }),
    ...(accumulated == null ? {} : { accumulated }),
    ...(gain == null ? {} : { gain }),
    ...(forced == null ? {} : { forced }),
  }))

/** What is known of a sampling run before its rows; `index` counts the runs of one node in one prompt. */
export const samplingPlan = z.object({
  index: z.number().int().min(0).default(0),
  evaluations: z.number().int().min(0).max(100_000),
  depth: z.number().int().min(1),
  method: z
    .string()
    .nullish()
    .transform((v) => v ?? null),
  params: z.record(z.string(), z.unknown()).default({}),
})

/** The sums of a run that has ended. */
export const samplingEnd = z.object({
  seconds: z.number().min(0),
  totalFlops: z.number().min(0).default(0),
  warnings: z.array(z.string()).default([]),
  /** Bytes. */
  memory: z.object({ resident: z.number(), weights: z.number(), budget: z.number() }).optional(),
})

const event = z.discriminatedUnion('type', [
  message(
    'status',
    z.object({
      status: z.object({ exec_info: z.object({ queue_remaining: z.number() }) }).nullish(),
      sid: z.string().optional(),
    }),
  ),
  message('execution_start', z.object({ prompt_id: promptId, timestamp: z.number().optional() })),
  message('execution_cached', z.object({ nodes: z.array(id), prompt_id: promptId })),
  message('executing', z.object({ node: id.nullable(), display_node: id.nullish(), prompt_id: promptId.nullish() })),
  message(
    'progress',
    z.object({ value: z.number(), max: z.number(), prompt_id: promptId.nullish(), node: id.nullish() }),
  ),
  message('progress_state', z.object({ prompt_id: promptId })),
  message(
    'executed',
    z.object({
      node: id,
      display_node: id.nullish(),
      prompt_id: promptId,
      output: nodeOutput.nullish().transform((v) => v ?? {}),
    }),
  ),
  message('execution_success', z.object({ prompt_id: promptId, timestamp: z.number().optional() })),
  message(
    'execution_error',
    z.object({
      prompt_id: promptId,
      node_id: id,
      node_type: z.string().catch(''),
      exception_message: z.string().catch(''),
      exception_type: z.string().catch(''),
    }),
  ),
  message('execution_interrupted', z.object({ prompt_id: promptId, node_id: id.nullish() })),
  message(
    'heddle.cache',
    z.object({
      prompt_id: promptId,
      node: id,
      run: samplingPlan,
      rows: z.array(reportRow),
    }),
  ),
  message(
    'heddle.sampled',
    samplingEnd.extend({ prompt_id: promptId, node: id, index: z.number().int().min(0).default(0) }),
  ),
  message('heddle.warning', z.object({ prompt_id: promptId.nullish(), node: id.nullish(), message: z.string() })),
])

/** An event that the editor knows, or 'other' with the type's name. */
export type ServerEvent = z.infer<typeof event> | { readonly type: 'other'; readonly data: string }

/** Checks a text message; null when it is no event or one whose data make no sense. */
export function parseEvent(json: unknown): ServerEvent | null {
  const parsed = event.safeParse(json)
  if (parsed.success) return parsed.data
  const type = z.object({ type: z.string() }).safeParse(json)
  if (!type.success) return null
  return event.options.some((option) => option.shape.type.value === type.data.type)
    ? null
    : { type: 'other', data: type.data.type }
}

/** A live preview; `node` is null for frames that do not say whose it is. */
export interface PreviewFrame {
  readonly node: string | null
  readonly picture: Blob
}

const frameMetadata = z.object({
  node_id: id,
  display_node_id: id.nullish(),
  image_type: z.enum(['image/jpeg', 'image/png', 'image/webp']).catch('image/jpeg'),
})

/** Reads a binary frame: kind 1 (preview) or 4 (preview with metadata); null for others and for damaged ones. */
export function parseFrame(buffer: ArrayBuffer): PreviewFrame | null {
  if (buffer.byteLength < 8) return null
  const view = new DataView(buffer)
  const kind = view.getUint32(0)
  if (kind === 1) {
    const type = view.getUint32(4) === 2 ? 'image/png' : 'image/jpeg'
    return { node: null, picture: new Blob([buffer.slice(8)], { type }) }
  }
  if (kind !== 4) return null
  const length = view.getUint32(4)
  if (8 + length > buffer.byteLength) return null
  try {
    const text = new TextDecoder().decode(new Uint8Array(buffer, 8, length))
    const metadata = frameMetadata.parse(JSON.parse(text))
    return {
      node: metadata.display_node_id ?? metadata.node_id,
      picture: new Blob([buffer.slice(8 + length)], { type: metadata.image_type }),
    }
  } catch {
    return null
  }
}
