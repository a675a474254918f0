/** defineNode: the declaration of a node, from which its type, check, widgets and documentation are derived. */
import type { CacheReport, ReportRow, SamplingPlan } from '../diffusion/caching/report-types.ts'
import type {
  Autoencoder,
  Checkpoint,
  DiffusionModel,
  TextEncoders,
  VisionEncoder,
} from '../diffusion/families/contract.ts'
import type { Lora } from '../diffusion/families/lora/read.ts'
import type { PortName, PortTypes } from './ports.ts'
import type { Specs, Values } from './spec.ts'

/** A finished file as clients see it. */
export interface FileReference {
  readonly filename: string
  readonly subfolder: string
  readonly type: 'output' | 'temp' | 'input'
}

/** Live pictures and figures while a node works; all are fire-and-forget and throttled by the engine. */
export interface Reporter {
  /** `value` of `max` done. */
  progress(value: number, max: number): void
  /** A preview picture: RGB bytes [height, width, 3]; encoded and sent by the engine. */
  preview(rgb: Uint8Array, width: number, height: number): void
  /** Decisions of a caching method, as they fall; they belong to one sampling run until `sampled` ends it. */
  cacheRows(rows: readonly ReportRow[], plan: SamplingPlan): void
  /** What a whole sampling run did and how long it took, once it has ended. */
  sampled(report: CacheReport): void
  /** Something the user should see on the node; the run goes on. */
  readonly warn: (message: string) => void
}

/** The only way nodes reach files: names are confined to the server's folders. */
export interface Files {
  /** Absolute path of an existing file in `folder`; throws for a name that leaves it or does not exist. */
  resolve(folder: 'input' | 'output' | 'temp', name: string): Promise<string>
  /** Writes a finished file whole or not at all, under ComfyUI's counter naming, and returns its reference. */
  save(
    folder: 'output' | 'temp',
    prefix: string,
    extension: string,
    bytes: Uint8Array,
    size: { readonly width: number; readonly height: number; readonly batchNumber?: number },
  ): Promise<FileReference>
}

/** Models by name, opened once and shared; the engine owns their memory. */
export interface Models {
  checkpoint(name: string, report: Reporter): Promise<Checkpoint>
  diffusionModel(name: string, report: Reporter): Promise<DiffusionModel>
  /** An autoencoder from vae/ or vae_approx/. */
  autoencoder(name: string, report: Reporter): Promise<Autoencoder>
  /** The text encoders of a family from text_encoders/, in any order; `type` is ComfyUI's word for the family. */
  textEncoders(names: readonly string[], type: string, report: Reporter): Promise<TextEncoders>
  /** A CLIP vision model from clip_vision/. */
  visionEncoder(name: string, report: Reporter): Promise<VisionEncoder>
  /** Low-rank changes of weights from loras/. */
  lora(name: string): Promise<Lora>
  /** Puts something that holds sessions under the engine's care: closed when no result holds it any more and others need the room. */
  adopt(value: object, release: () => Promise<void>): void
}

/** A link to output `slot` of a node, as prompts write it. */
export type Link = readonly [id: string, slot: number]

/** One node as prompts and expanded graphs hold it. */
export interface GraphNode {
  readonly class_type: string
  readonly inputs: Readonly<Record<string, unknown>>
}

/** The graph as it stands while it runs: what was posted, and what nodes have added since. Read only. */
export interface DynamicGraph {
  node(id: string): GraphNode | undefined
  /** The node that added this one; null for a node of the posted prompt. */
  parentOf(id: string): string | null
  /** The node that editors light up for this one. */
  displayOf(id: string): string
}

/** A node that is being added to the graph. */
export interface AddedNode {
  /** Unique in the whole graph; begins with the id of the node that adds it. */
  readonly id: string
  out(slot: number): Link
  /** Sets or replaces an input: a link, or any value as `run` shall receive it. */
  set(input: string, value: unknown): void
}

/** Nodes that a node adds to the graph in place of computing its outputs itself. */
export interface SubGraph {
  /** Adds a node. `name` makes its id readable; `display` is the node that editors light up for it. */
  node(
    type: string,
    inputs?: Readonly<Record<string, unknown>>,
    more?: { readonly name?: string; readonly display?: string },
  ): AddedNode
  /** The node added under this name. Throws when there is none. */
  named(name: string): AddedNode
  /** What `run` returns: per output a value, or a link to the node that will give it. */
  give(outputs: Readonly<Record<string, unknown>>, ui?: Shown): Expansion
}

/** What `run` returned instead of outputs; made by `SubGraph.give`. */
export class Expansion {
  readonly nodes: ReadonlyMap<string, AddedDefinition>
  readonly outputs: Readonly<Record<string, unknown>>
  readonly ui: Shown | undefined
  constructor(
    nodes: ReadonlyMap<string, AddedDefinition>,
    outputs: Readonly<Record<string, unknown>>,
    ui: Shown | undefined,
  ) {
    this.nodes = nodes
    this.outputs = outputs
    this.ui = ui
  }
}
export interface AddedDefinition extends GraphNode {
  readonly display: string | null
}

/** Stands for a value that must not be used: whoever receives it is not run, and gives it on. With a message, clients hear of it. */
export class Blocked {
  readonly message: string | null
  constructor(message: string | null = null) {
    this.message = message
  }
}

/** What clients are shown of a node: e.g. `{ images: [FileReference] }`. */
export type Shown = Readonly<Record<string, readonly unknown[]>>

/** What the engine hands to `run` beside the inputs. */
export interface RunContext {
  readonly nodeId: string
  /** Aborted when the job is cancelled; long work checks it between steps. */
  readonly signal: AbortSignal
  readonly report: Reporter
  readonly files: Files
  readonly models: Models
  /** False under --disable-metadata. */
  readonly metadata: boolean
  /** Values that came over links to inputs that are not declared: for nodes that say `variadic`. */
  readonly undeclared: Readonly<Record<string, unknown>>
  /** An empty graph to be filled and returned with its `give`: the node's outputs are then those of the nodes in it. */
  graph(): SubGraph
}

type Outputs = Readonly<Record<string, PortName>>
type IsAny<T> = 0 extends 1 & T ? true : false
/** Nodes that shape the flow may give a block in place of any value. */
type Value<P extends PortName, F extends boolean> = PortTypes[P] | ([F] extends [false] ? never : Blocked)
type OutputValue<K, P extends PortName, M, F extends boolean> =
  IsAny<M> extends true
    ? PortTypes[P]
    : K extends M
      ? readonly Value<P, F>[] | ([F] extends [false] ? never : Blocked)
      : Value<P, F>

/** What `run` gives back: every declared output, and optionally what clients are shown. Nodes that shape the flow have more to give. */
export type Produced<O extends Outputs, M extends keyof O = never, F extends boolean = false> =
  | ({ readonly [K in keyof O]: OutputValue<K, O[K], M, F> } & {
      /** Sent as the `executed` event. */
      readonly ui?: Shown
    })
  | ([F] extends [false] ? never : Expansion | Blocked)

/** The values of `run`: of a node that takes lists, every input is the whole list that came in. */
export type Received<I, L extends boolean> = [L] extends [false]
  ? Values<I>
  : { readonly [K in keyof Values<I>]: readonly Values<I>[K][] }

/** Faults that a node's own check found: a message per input, or one for all that it checks. */
export type Refusal = Readonly<Record<string, string>> | string | undefined

export interface NodeDefinition<
  I extends Specs,
  O extends Outputs,
  L extends boolean = boolean,
  M extends keyof O = keyof O,
  F extends boolean = boolean,
> {
  /** ComfyUI's class name where ComfyUI has such a node; the file is named after it in lower case, dashes where they help reading. */
  readonly type: string
  /** Folder under nodes/, also the menu path. */
  readonly category: string
  readonly title?: string
  readonly help: string
  readonly inputs: I
  /** Output name to port, in slot order. */
  readonly outputs: O
  /** Runs even if nothing needs its outputs. */
  readonly isOutput?: boolean
  /** True: `run` is called once with whole lists, also where a list of one came in; otherwise once per element. */
  readonly inputIsList?: L
  /** Outputs that are lists: the lists of all calls are joined, and what follows runs once per element. */
  readonly listOutputs?: readonly M[]
  /** True: `run` may also return nodes that are to run in its place (`context.graph()`), or block what follows (`new Blocked()`). */
  readonly shapesFlow?: F
  /** Links to inputs that are not declared are taken too, as `context.undeclared`. */
  readonly variadic?: boolean
  /** True: the same inputs may give another result under another node id, so two such nodes never share one. */
  readonly perNode?: boolean
  /** Of the inputs declared `lazy`, those that are needed, given the values that are there. Asked again until it names nothing new. */
  needs?(values: Received<I, L>): readonly (keyof I & string)[] | Promise<readonly (keyof I & string)[]>
  /** Further checks of literal inputs (linked ones are absent): a message per faulty input, one for all, or nothing. */
  validate?(values: Partial<Values<I>>): Refusal | Promise<Refusal>
  /** Inputs whose range and choices `validate` decides instead of their declaration. */
  readonly validates?: 'all' | readonly (keyof I & string)[]
  /** Decides by input name which types literals may have: INT, or FLOAT where it is written with a fraction (5.0), STRING, BOOLEAN, ... */
  validateLiterals?(types: Readonly<Record<string, string>>): Refusal | Promise<Refusal>
  /** Decides by input name which types may be linked, instead of the declaration. */
  validateLinks?(types: Readonly<Record<string, string>>): Refusal | Promise<Refusal>
  /** What else, beside inputs, decides whether the memo still holds (a file's hash); NaN = never. Linked inputs are absent. */
  fingerprint?(values: Partial<Values<I>>, files: Files): string | number | boolean | Promise<string | number | boolean>
  run(values: Received<I, L>, context: RunContext): Produced<O, M, F> | Promise<Produced<O, M, F>>
}

/** A definition of any inputs and outputs, as the registry holds it. */
// The one other place where `any` is needed: `run` is contravariant in its values.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyNode = NodeDefinition<any, any, any, any, any>

export const defineNode = <
  const I extends Specs,
  const O extends Outputs,
  const L extends boolean = false,
  const M extends keyof O = never,
  const F extends boolean = false,
>(
  node: NodeDefinition<I, O, L, M, F>,
): NodeDefinition<I, O, L, M, F> => node
