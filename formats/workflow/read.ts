/** Reads saved workflows, version 0.4 (links as lists) and 1 (links as objects), and their old group nodes, into one shape. */
import { z } from 'zod'

/** Node ids that stand for a subgraph's own inputs and outputs. */
export const OWN_INPUTS = '-10'
export const OWN_OUTPUTS = '-20'

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
  label: z.string().optional().catch(undefined),
  widget: z.unknown().optional(),
})
const Output = z.object({ type: z.unknown().transform((type) => (typeof type === 'string' ? type : '*')) })

const Body = z.object({
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
const Node = Body.extend({ id })
export interface WorkflowNode extends z.infer<typeof Node> {
  /** Values that stand above the node's own, by input: those of the group node around it. */
  readonly values?: ReadonlyMap<string, unknown>
}

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
export type WorkflowInput = z.infer<typeof Input>
export type WorkflowLink = z.infer<typeof LinkList>

/** Links name nodes by their ids, so of two with one id either could be meant. */
const Nodes = z.array(Node).superRefine((nodes, context) => {
  const seen = new Set<string>()
  for (const [index, { id }] of nodes.entries())
    if (seen.has(id))
      context.addIssue({ code: 'custom', path: [index, 'id'], message: `another node has the id ${id}` })
    else seen.add(id)
})
const Level = z.object({ nodes: Nodes, links: Links })
export interface Level {
  readonly nodes: readonly WorkflowNode[]
  readonly links: readonly WorkflowLink[]
}

const Subgraph = Level.extend({ id: z.string(), name: z.string().catch('') })
export type Subgraph = z.infer<typeof Subgraph>

/** Of a group's inputs or outputs: shown under another name, or not at all. */
const Shown = z
  .record(z.string(), z.object({ name: z.string().optional(), visible: z.boolean().optional() }))
  .catch({})
  .default({})
const GroupLink = z
  .tuple([z.number().int().nullable(), slot, z.number().int().min(0), slot], z.unknown())
  .transform(([from, fromSlot, to, toSlot, ...rest]) => ({ from, fromSlot, to, toSlot, type: rest[1] }))
/** A group node as editors of 2023 to 2025 stored it: its nodes by place, not by id. */
const Group = z.object({
  nodes: z.array(Body),
  links: z
    .array(GroupLink)
    .nullish()
    .transform((links) => links ?? []),
  external: z
    .array(z.tuple([z.number().int(), z.number().int()], z.unknown()))
    .catch([])
    .default([]),
  config: z
    .record(z.string(), z.object({ input: Shown, output: Shown }))
    .catch({})
    .default({}),
})
export type Group = z.infer<typeof Group>

const Extra = z
  .object({ groupNodes: z.record(z.string(), Group).nullish() })
  .nullish()
  .transform((extra) => new Map(Object.entries(extra?.groupNodes ?? {})))

const Workflow = Level.extend({
  extra: Extra,
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
