/** The workflow file (UI format 0.4, also version 1): checked, and copied into fresh objects with known keys only. */
import { z } from '../sdk/zod.ts'
import { cleanCopy } from '../sdk/json.ts'

const MAX_NODES = 20_000
/** Positions beyond this are nonsense that would make the canvas unusable. */
const FAR = 1_000_000

const clean = z.unknown().transform((value, context) => {
  try {
    return cleanCopy(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    return z.NEVER
  }
})
const record = clean.pipe(z.record(z.string(), z.unknown()))
const coordinate = z.number().min(-FAR).max(FAR)
const pair = z.union([
  z.tuple([coordinate, coordinate], coordinate).transform(([x, y]) => [x, y] as [number, number]),
  z.object({ 0: coordinate, 1: coordinate }).transform((v) => [v[0], v[1]] as [number, number]),
])
const nodeId = z.union([z.number().int(), z.string().max(200)])
const slotType = z
  .union([z.string().max(1000), z.number(), z.array(z.unknown())])
  .transform((type) => (typeof type === 'string' ? type : typeof type === 'number' ? '*' : 'COMBO'))
const text = z.string().max(100_000)
const color = z
  .string()
  .max(40)
  .regex(/^#[0-9a-fA-F]{3,8}$|^[a-zA-Z]+$|^rgba?\([\d.,% ]+\)$/)
  .optional()
  .catch(undefined)

const input = z.object({
  name: text,
  type: slotType.catch('*'),
  link: z.number().int().nullish().catch(null),
  label: text.optional().catch(undefined),
  widget: z.object({ name: text }).optional().catch(undefined),
})
const output = z.object({
  name: text.catch(''),
  type: slotType.catch('*'),
  links: z.array(z.number().int()).nullish().catch(null),
  label: text.optional().catch(undefined),
})

const node = z.object({
  id: nodeId,
  type: z.string().max(1000),
  title: text.optional().catch(undefined),
  pos: pair.catch([0, 0]),
  size: pair.optional().catch(undefined),
  flags: z.object({ collapsed: z.boolean().optional(), pinned: z.boolean().optional() }).catch({}),
  order: z.number().catch(0),
  mode: z.number().int().min(0).max(4).catch(0),
  inputs: z.array(input).nullish().catch(null),
  outputs: z.array(output).nullish().catch(null),
  properties: record.catch({}),
  widgets_values: clean.pipe(z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())])).optional(),
  color,
  bgcolor: color,
})

const link = z.union([
  z
    .tuple([z.number().int(), nodeId, z.number().int(), nodeId, z.number().int()], z.unknown())
    .transform(([id, from, fromSlot, to, toSlot, type]) => ({
      id,
      from,
      fromSlot,
      to,
      toSlot,
      type: slotType.safeParse(type).data ?? '*',
    })),
  z
    .object({
      id: z.number().int(),
      origin_id: nodeId,
      origin_slot: z.number().int(),
      target_id: nodeId,
      target_slot: z.number().int(),
      type: slotType.catch('*'),
    })
    .transform((l) => ({
      id: l.id,
      from: l.origin_id,
      fromSlot: l.origin_slot,
      to: l.target_id,
      toSlot: l.target_slot,
      type: l.type,
    })),
])

const group = z.object({
  title: text.catch('Group'),
  bounding: z.tuple([coordinate, coordinate, coordinate, coordinate]),
  color,
  font_size: z.number().min(4).max(200).optional().catch(undefined),
})

const list = <T extends z.ZodType>(item: T) =>
  z.union([z.array(item), z.record(z.string(), item).transform((items) => Object.values(items))])

const scope = z.object({
  nodes: z.array(node).max(MAX_NODES),
  links: list(link.nullable())
    .catch([])
    .transform((links) => links.filter((item) => item !== null)),
})

const subgraph = scope.extend({
  id: z.string().max(200),
  name: text.catch('Subgraph'),
  inputs: z.array(z.object({ name: text, type: slotType.catch('*') })).catch([]),
  outputs: z.array(z.object({ name: text, type: slotType.catch('*') })).catch([]),
})

const workflow = scope.extend({
  id: z.string().max(200).optional().catch(undefined),
  revision: z.number().optional().catch(undefined),
  groups: z.array(group).catch([]),
  config: record.catch({}),
  extra: record.catch({}),
  /** As it stood in the file, for saving; `subgraphs` is the part that is understood. */
  definitions: record.optional().catch(undefined),
  models: clean.pipe(z.array(z.unknown())).optional().catch(undefined),
})

const definitions = z.object({ subgraphs: z.array(subgraph).catch([]) }).catch({ subgraphs: [] })

export type WorkflowInput = z.infer<typeof input>
export type WorkflowOutput = z.infer<typeof output>
export type WorkflowNode = z.infer<typeof node>
export type WorkflowLink = z.infer<typeof link>
export type Subgraph = z.infer<typeof subgraph>
export type Workflow = z.infer<typeof workflow> & { readonly subgraphs: readonly Subgraph[] }

/** What is wrong with a file, every fault in one message. */
export class WorkflowError extends Error {
  override readonly name = 'WorkflowError'
}

const faults = (error: z.ZodError): string =>
  error.issues
    .slice(0, 20)
    .map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`)
    .join('\n')

/** True for anything that looks like a workflow file rather than an API prompt. */
export const isWorkflow = (json: unknown): boolean =>
  typeof json === 'object' && json !== null && Array.isArray((json as { nodes?: unknown }).nodes)

/** Checks a parsed workflow file; throws WorkflowError with every fault and where it stands. */
export function parseWorkflow(json: unknown): Workflow {
  const parsed = workflow.safeParse(json)
  if (!parsed.success) throw new WorkflowError(`This is not a workflow that can be opened.\n${faults(parsed.error)}`)
  const { subgraphs } = definitions.parse((json as { definitions?: unknown }).definitions ?? {})
  return { ...parsed.data, subgraphs }
}

/** A workflow with nothing in it. */
export const emptyWorkflow = (): Workflow => parseWorkflow({ nodes: [], links: [] })
