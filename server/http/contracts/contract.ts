/** What a route takes and answers, written down once: handlers check with these schemas, and the OpenAPI document is made of them. */
import { z } from 'zod'

/** An answer with one status. Without `schema` it has no body; `type` is its Content-Type, JSON when not given. */
export interface Reply {
  readonly description: string
  readonly schema?: z.ZodType
  readonly type?: string
}

/** A whole request that anyone can send, and the status it is answered with on a fresh server. */
export interface Example {
  readonly summary?: string
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string | number | boolean>>
  /** The body; of a multipart form a file is written `@name`. */
  readonly body?: unknown
  /** 200 when not given. */
  readonly status?: number
}

export interface Contract {
  readonly method: 'get' | 'post' | 'patch' | 'delete'
  /** As express writes it: `/history/:id`. */
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  /** Every parameter of the path. */
  readonly params?: z.ZodObject
  readonly query?: z.ZodObject
  readonly body?: { readonly schema: z.ZodType; readonly type?: string; readonly required?: boolean }
  readonly replies: Readonly<Record<number, Reply>>
  readonly examples: readonly Example[]
}

/** 200 without a body. */
export const nothing: Reply = { description: 'Done; the answer has no body.' }
export const json = (description: string, schema: z.ZodType): Reply => ({ description, schema })
export const bytes = (description: string, type = 'application/octet-stream'): Reply => ({
  description,
  type,
  schema: z.string().meta({ format: 'binary' }),
})

/** One fault, as ComfyUI publishes it. */
export const fault = z.object({
  type: z.string(),
  message: z.string(),
  details: z.string(),
  extra_info: z.record(z.string(), z.unknown()),
})
const nodeErrors = z.record(
  z.string(),
  z.object({ class_type: z.string(), errors: z.array(fault), dependent_outputs: z.array(z.string()) }),
)
export const refusal = z.object({ error: fault, node_errors: nodeErrors }).describe('Every fault, by node and input.')
export const refused = (description: string): Reply => json(description, refusal)
export { nodeErrors }

export const promptId = z.string().min(1).max(128)
/** A number that came as text in a query. */
export const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max)

/** A node of an API prompt. */
const promptNode = z.looseObject({ class_type: z.string(), inputs: z.record(z.string(), z.unknown()) })
export const prompt = z.record(z.string(), promptNode)

/** A prompt that every installation can run: the picture that is shipped, shown again. */
export const EXAMPLE_PROMPT = {
  1: { class_type: 'LoadImage', inputs: { image: 'example.png' } },
  2: { class_type: 'PreviewImage', inputs: { images: ['1', 0] } },
}
export const EXAMPLE_ID = '0a8f3f3e-1c55-4f0e-9c3e-3f8f2b8a6d10'
