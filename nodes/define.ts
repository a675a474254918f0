/** defineNode: the declaration of a node, from which its type, check, widgets and documentation are derived. */
import type { CacheReport, ReportRow, SamplingPlan } from '../diffusion/caching/report-types.ts'
import type { DiffusionModel, Checkpoint } from '../diffusion/families/contract.ts'
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
}

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
}

type Outputs = Readonly<Record<string, PortName>>
type OutputValues<O extends Outputs> = { readonly [K in keyof O]: PortTypes[O[K]] }

/** What `run` gives back: every declared output, and optionally what clients are shown. */
export type Produced<O extends Outputs> = OutputValues<O> & {
  /** Sent as the `executed` event: e.g. `{ images: [FileReference] }`. */
  readonly ui?: Readonly<Record<string, readonly unknown[]>>
}

export interface NodeDefinition<I extends Specs, O extends Outputs> {
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
  /** Further checks of literal inputs (linked ones are absent): a message per faulty input, or nothing. */
  validate?(values: Partial<Values<I>>): Readonly<Record<string, string>> | undefined
  /** What else, beside inputs, decides whether the memo still holds (a file's hash); NaN = never. */
  fingerprint?(values: Partial<Values<I>>, files: Files): Promise<string | number>
  run(values: Values<I>, context: RunContext): Produced<O> | Promise<Produced<O>>
}

/** A definition of any inputs and outputs, as the registry holds it. */
// The one other place where `any` is needed: `run` is contravariant in its values.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyNode = NodeDefinition<any, any>

export const defineNode = <const I extends Specs, const O extends Outputs>(
  node: NodeDefinition<I, O>,
): NodeDefinition<I, O> => node
