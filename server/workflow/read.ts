/** Reads saved workflows, version 0.4 (links as lists) and 1 (links as objects), into one shape. */
import { z } from 'zod'

/** A file that is no workflow; the message names the part that does not fit. */
export class WorkflowError extends Error {
  override readonly name = 'WorkflowError'
}

const id = z.union([z.number(), z.string()]).transform(String)
const slot = z.number().int().min(0)

const Input = z.object({
  name: z.string(),
  type: z.unknown().transform((type) => (typeof type === 'string' ? type : '*')),
  link: z.number().nullish(),
  widget: z.unknown().optional(),
})
const Output = z.object({ type: z.unknown().transform((type) => (typeof type === 'string' ? type : '*')) })

const Node = z.object({
  id,
  type: z.string(),
  mode: z.number().catch(0),
  order: z.number().catch(0),
  title: z.string().optional().catch(undefined),
  inputs: z
    .array(Input)
    .nullish()
    .transform((inputs) => inputs ?? []),
  outputs: z
    .array(Output)
    .nullish()
    .transform((outputs) => outputs ?? []),
  widgets_values: z.unknown().optional(),
})
export type WorkflowNode = z.infer<typeof Node>

const LinkList = z
  .tuple([z.number(), id, slot, id, slot], z.unknown())
  .transform(([link, from, fromSlot, to, toSlot]) => ({ id: link, from, fromSlot, to, toSlot }))
const LinkObject = z
  .object({ id: z.number(), origin_id: id, origin_slot: slot, target_id: id, target_slot: slot })
  .transform((link) => ({
    id: link.id,
    from: link.origin_id,
    fromSlot: link.origin_slot,
    to: link.target_id,
    toSlot: link.target_slot,
  }))
const Links = z
  .array(z.union([LinkList, LinkObject, z.null()]))
  .nullish()
  .transform((links) => (links ?? []).filter((link) => link !== null))
export type WorkflowLink = z.infer<typeof LinkList>

const Level = z.object({ nodes: z.array(Node), links: Links })
export type Level = z.infer<typeof Level>

const Subgraph = Level.extend({ id: z.string(), name: z.string().catch('') })
export type Subgraph = z.infer<typeof Subgraph>

const Workflow = Level.extend({
  definitions: z
    .object({ subgraphs: z.array(Subgraph).nullish() })
    .nullish()
    .transform((definitions) => definitions?.subgraphs ?? []),
})
export type Workflow = z.infer<typeof Workflow>

/** Throws WorkflowError, which lists what does not fit. */
export function readWorkflow(value: unknown): Workflow {
  const parsed = Workflow.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.slice(0, 10).map((issue) => `${issue.path.join('.')}: ${issue.message}`)
  throw new WorkflowError(`This is not a workflow: ${issues.join('; ')}`)
}
