/** Gathers what a run's events say into the document that `heddle run --json` prints. */
import { join } from 'node:path'
import type { NodeErrors, EngineEvent } from '../engine/protocol.ts'
import { isPreview } from '../engine/protocol.ts'
import { Samplings, type NodeReport } from '../engine/samplings.ts'
import type { DataFolders } from '../http/context.ts'
import { isRecord } from '../json.ts'

/** One answered evaluation of one guidance branch of one sample. */
interface DecisionRow {
  readonly evaluation: number
  readonly sample: number
  readonly branch: string
  readonly decision: string
  readonly blocks: number
}

/** What one sampler node did. */
export interface SamplingReport {
  readonly node: string
  /** Class name of the caching node, null for a plain run. */
  readonly method: string | null
  readonly evaluations: number
  readonly computed_blocks: number
  /** What a plain run would have computed. */
  readonly total_blocks: number
  /** Wall-clock time of the sampler. */
  readonly seconds: number
  readonly decisions: readonly DecisionRow[]
}

export interface RunError {
  readonly node: string | null
  readonly type: string
  readonly input: string | null
  readonly message: string
}

export interface RunDocument {
  readonly status: 'success' | 'error' | 'interrupted'
  readonly seconds: number
  readonly outputs: readonly { readonly node: string; readonly file: string; readonly type: string }[]
  readonly reports: readonly SamplingReport[]
  readonly errors: readonly RunError[]
}

const isFile = (value: unknown): value is { filename: string; subfolder: string; type: 'output' | 'temp' | 'input' } =>
  isRecord(value) && typeof value['filename'] === 'string' && typeof value['type'] === 'string'

function reportOf({ node, report }: NodeReport): SamplingReport {
  return {
    node,
    method: report.method,
    evaluations: report.evaluations,
    computed_blocks: report.computedBlocks,
    total_blocks: report.totalBlocks,
    seconds: report.seconds,
    decisions: report.rows.map(({ evaluation, sample, branch, decision, blocks }) => ({
      ...{ evaluation, sample, branch, decision, blocks },
    })),
  }
}

export class Results {
  readonly #folders: DataFolders
  readonly #outputs: { node: string; file: string; type: string }[] = []
  readonly #samplings = new Samplings()
  readonly #errors: RunError[] = []

  constructor(folders: DataFolders) {
    this.#folders = folders
  }

  note(event: EngineEvent): void {
    if (isPreview(event)) return
    this.#samplings.note(event)
    const { data } = event
    if (event.type === 'executed') this.#noteOutput(String(data['node']), data['output'])
    if (event.type === 'execution_error') {
      const text = (key: string) => (typeof data[key] === 'string' ? data[key] : '')
      this.fail({
        node: text('node_id') || null,
        type: text('exception_type'),
        input: null,
        message: text('exception_message').trim(),
      })
    }
  }

  fail(error: RunError): void {
    this.#errors.push(error)
  }

  /** Faults found before anything ran. */
  refuse(nodeErrors: Readonly<Record<string, NodeErrors>>): void {
    for (const [node, { errors }] of Object.entries(nodeErrors))
      for (const { type, message, details, extra_info } of errors) {
        const input = typeof extra_info['input_name'] === 'string' ? extra_info['input_name'] : null
        this.fail({ node, type, input, message: details === '' ? message : `${message}: ${details}` })
      }
  }

  document(status: RunDocument['status'], seconds: number): RunDocument {
    return {
      status,
      seconds: Math.round(seconds * 1000) / 1000,
      outputs: this.#outputs,
      reports: this.#samplings.all.reports.map(reportOf),
      errors: this.#errors,
    }
  }

  #noteOutput(node: string, output: unknown): void {
    if (!isRecord(output)) return
    const lists = Object.values(output).filter((list): list is unknown[] => Array.isArray(list))
    for (const { filename, subfolder, type } of lists.flat().filter(isFile))
      this.#outputs.push({ node, file: join(this.#folders[type], subfolder, filename), type })
  }
}
