/** The nodes that the bench measures and calibrates with, run outside of a graph. */
import type { Files, Reporter, RunContext } from '../nodes/define.ts'
import type { RegisteredNode } from '../server/engine/registry.ts'

export type Values = Readonly<Record<string, unknown>>

/** A node that needs no link but MODEL and gives a CACHE, or a MODEL for a MODEL: a caching method by itself. */
export function isMethod({ definition, inputs, outputTypes }: RegisteredNode): boolean {
  const links = inputs.filter(([, spec]) => spec.linkOnly && spec.required).map(([, spec]) => spec.type)
  const patches = links.includes('MODEL') && outputTypes.includes('MODEL')
  return (
    definition.category === 'caching' &&
    links.every((type) => type === 'MODEL') &&
    (outputTypes.includes('CACHE') || patches)
  )
}

const noLists = (): readonly string[] => []

/** Every input of the node but its links: those given, and defaults. Throws one error that names all that do not fit. */
export function valuesFor({ definition, inputs }: RegisteredNode, given: Values, where: string): Values {
  const widgets = inputs.filter(([, spec]) => !spec.linkOnly && !spec.hidden)
  const known = widgets.map(([name]) => name)
  const unknown = Object.keys(given).filter((name) => !known.includes(name))
  const faults = unknown.map((name) => `'${name}' is no input of ${definition.type}; it has ${known.join(', ')}`)
  const values: Record<string, unknown> = {}
  for (const [name, spec] of widgets) {
    const value = given[name] ?? spec.options(noLists)['default']
    if (value === undefined && !spec.required) continue
    const parsed = spec.parse(value, noLists)
    if (parsed.ok) values[name] = parsed.value
    else faults.push(`${name}: ${parsed.fault.message} ${parsed.fault.details}`.trim())
  }
  const refused: unknown = faults.length === 0 ? definition.validate?.(values) : undefined
  if (typeof refused === 'string') faults.push(refused)
  else faults.push(...Object.values(refused ?? {}).map(String))
  if (faults.length > 0) throw new Error(`${where}: ${faults.join('; ')}`)
  return values
}

const refuse = (what: string) => (): Promise<never> =>
  Promise.reject(new Error(`bench: a node asked for ${what}, which the bench does not offer`))

/** What a node may use beside its inputs: here nothing but the signal. */
function context(): RunContext {
  const report: Reporter = { progress() {}, preview() {}, cacheRows() {}, sampled() {}, warn() {} }
  const files: Files = { resolve: refuse('a file'), save: refuse('a place for a file') }
  const models = {
    checkpoint: refuse('a checkpoint'),
    diffusionModel: refuse('a model'),
    autoencoder: refuse('an autoencoder'),
    textEncoders: refuse('text encoders'),
    visionEncoder: refuse('a CLIP vision model'),
    lora: refuse('a LoRA'),
    adopt: () => undefined,
  }
  const graph = (): never => {
    throw new Error('bench: a node wants to expand, which the bench does not offer')
  }
  const { signal } = new AbortController()
  return { nodeId: 'bench', signal, report, files, models, metadata: false, undeclared: {}, graph }
}

/** Runs a node on values and links; gives its outputs by port name, the first of each. */
export async function runNode(
  node: RegisteredNode,
  values: Values,
  links: Values,
): Promise<ReadonlyMap<string, unknown>> {
  const produced = (await node.definition.run({ ...values, ...links }, context())) as Values
  const outputs = node.outputTypes.map((port, i) => [port, produced[node.outputNames[i] ?? '']] as const)
  return new Map(outputs.reverse())
}
