/** heddle run: one workflow, from the command line, in an engine of its own. */
import { randomUUID } from 'node:crypto'
import { engineInit, makeFolders, missingDirs, placesOf, type PlaceOptions } from '../config.ts'
import { isPreview, type EngineEvent, type Prompt, type Verdict } from '../engine/protocol.ts'
import { EngineDiedError } from '../engine/death.ts'
import { Supervisor } from '../engine/supervisor.ts'
import { parseOwn, stringifyExact } from '../json.ts'
import { orderedJson } from '../json-order.ts'
import { openWorkflow, readWorkflowFile, setInput } from '../workflow/open.ts'
import { WorkflowError } from '../../formats/workflow/read.ts'
import { Results, type RunDocument } from './results.ts'

export interface RunOptions extends PlaceOptions {
  /** `ID.INPUT=VALUE`, in order. */
  readonly set?: readonly string[]
  readonly out?: string
  readonly json?: boolean
  readonly disableMetadata?: boolean
}

const GRACE = 10_000

/** Live progress on standard error: one line that changes on a terminal, one line per node elsewhere. */
function progressPrinter(classOf: (node: string) => string): (event: EngineEvent) => void {
  const terminal = process.stderr.isTTY
  return (event) => {
    if (isPreview(event)) return
    const node = String(event.data['node'])
    const name = `${node} ${classOf(node)}`
    if (event.type === 'executing') process.stderr.write(`${terminal ? '\r\x1b[K' : ''}${name}\n`)
    if (event.type === 'progress' && terminal)
      process.stderr.write(`\r\x1b[K${name}: ${String(event.data['value'])} of ${String(event.data['max'])}`)
    if (event.type === 'heddle.warning') process.stderr.write(`\n${name}: ${String(event.data['message'])}\n`)
  }
}

type Accepted = Extract<Verdict, { ok: true }>

/** Converts, changes and checks what `file` held; null when it cannot run, which `results` then explains. */
async function prepare(file: string, content: unknown, options: RunOptions, engine: Supervisor, results: Results) {
  const classes = await engine.objectInfo()
  const { prompt: read, workflow } = openWorkflow(file, content, classes)
  const prompt = (options.set ?? []).reduce((changed, setting) => setInput(changed, setting, classes), read)
  const checked = await engine.validate(`{"prompt":${orderedJson(prompt)}}`, null)
  results.refuse(checked.nodeErrors)
  if (checked.ok) return { checked, workflow }
  if (Object.keys(checked.nodeErrors).length === 0) {
    const { type, message, details } = checked.error
    results.fail({ node: null, type, input: null, message: details === '' ? message : `${message}: ${details}` })
  }
  return null
}

async function execute(checked: Accepted, workflow: unknown, engine: Supervisor, results: Results) {
  const promptId = randomUUID()
  const cancel = () => engine.cancel(promptId)
  process.on('SIGINT', cancel)
  process.on('SIGTERM', cancel)
  const extraData = workflow === undefined ? {} : { extra_pnginfo: { workflow } }
  try {
    const { prompt, outputs, nodeErrors } = checked
    const outcome = await engine.run({ promptId, prompt, outputs, extraData: stringifyExact(extraData) })
    // Outputs that could not run are a failure here: nobody is there to look at half a result.
    return outcome === 'success' && Object.keys(nodeErrors).length > 0 ? 'error' : outcome
  } catch (error) {
    if (!(error instanceof EngineDiedError)) throw error
    results.fail({ node: null, type: error.name, input: null, message: error.message })
    return 'error'
  } finally {
    process.off('SIGINT', cancel)
    process.off('SIGTERM', cancel)
  }
}

function printText(document: RunDocument): void {
  for (const { node, type, input, message } of document.errors)
    process.stderr.write(
      `${node === null ? 'heddle' : `node ${node}${input === null ? '' : `, input ${input}`}: ${type}`}: ${message}\n`,
    )
  for (const { node, method, computed_blocks, total_blocks } of document.reports)
    process.stderr.write(
      `node ${node}: ${computed_blocks} of ${total_blocks} blocks computed${method === null ? '' : ` (${method})`}\n`,
    )
  for (const { file } of document.outputs) process.stdout.write(`${file}\n`)
  process.stderr.write(`${document.status} in ${document.seconds} s\n`)
}

/** Runs the file; returns the exit code, 0 only on success. */
export async function run(file: string, options: RunOptions): Promise<number> {
  const missing = missingDirs([...(options.models ?? []), ...(options.nodes ?? [])])
  if (missing.length > 0) throw new Error(`These folders do not exist: ${missing.join(', ')}`)
  const places = placesOf(options.out === undefined ? options : { ...options, outputDirectory: options.out })
  await makeFolders(places.folders)
  const results = new Results(places.folders)
  let classOf: (node: string) => string = () => ''
  const print = progressPrinter((node) => classOf(node))
  const startEngine = () =>
    new Supervisor({
      init: engineInit(places, { metadata: options.disableMetadata !== true, previewSize: 0 }),
      grace: GRACE,
      onEvents: (_id, events) =>
        events.forEach((event) => {
          results.note(event)
          print(event)
        }),
      onNotice: (message) => process.stderr.write(`heddle: ${message}\n`),
    })
  const started = Date.now()
  let status: RunDocument['status'] = 'error'
  let engine: Supervisor | null = null
  try {
    // Before there is an engine to wait for.
    const content = await readWorkflowFile(file)
    engine = startEngine()
    const prepared = await prepare(file, content, options, engine, results)
    if (prepared) {
      const prompt = parseOwn(prepared.checked.prompt) as Prompt
      classOf = (node) => prompt[node]?.class_type ?? ''
      status = await execute(prepared.checked, prepared.workflow, engine, results)
    }
  } catch (error) {
    if (!(error instanceof WorkflowError || error instanceof EngineDiedError)) throw error
    results.fail({ node: null, type: error.name, input: null, message: error.message })
  } finally {
    await engine?.stop()
  }
  const document = results.document(status, (Date.now() - started) / 1000)
  if (options.json) process.stdout.write(`${stringifyExact(document)}\n`)
  else printText(document)
  return status === 'success' ? 0 : 1
}
