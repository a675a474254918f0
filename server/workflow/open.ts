/** Opens a workflow file of any kind, and changes single inputs of a prompt. */
import { isUtf8 } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { embeddedWorkflow, isCarrier } from '../../formats/metadata/read.ts'
import { MetadataError } from '../../formats/metadata/texts.ts'
import type { ObjectInfo } from '../engine/protocol.ts'
import { isRecord, parseExact } from '../json.ts'
import { parseOrdered } from '../json-order.ts'
import { isWorkflow, toPrompt } from '../../formats/workflow/to-prompt.ts'
import { WorkflowError } from '../../formats/workflow/read.ts'

/** A file's content: a prompt, and the workflow of the editor if that is what the file holds. */
export interface OpenedWorkflow {
  readonly prompt: Record<string, unknown>
  readonly workflow: unknown
}

/** JSON from a text file; what is no text is not quoted in the message, since it would reach a terminal. */
function parseText(path: string, bytes: Buffer): unknown {
  if (!isUtf8(bytes) || bytes.includes(0))
    throw new WorkflowError(`${path} is neither JSON nor a picture or video of a known format`)
  try {
    return parseOrdered(bytes.toString('utf8'))
  } catch (error) {
    throw new WorkflowError(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function embedded(path: string, bytes: Buffer): Promise<unknown> {
  const found = await embeddedWorkflow(bytes, parseOrdered).catch((error: unknown) => {
    const told = error instanceof MetadataError || error instanceof SyntaxError
    throw told ? new WorkflowError(`${path}: ${error.message}`) : error
  })
  if (found === null) throw new WorkflowError(`${path} is a picture or a video that carries no workflow`)
  return found
}

/** What a file holds: JSON, or the workflow inside a picture or video. Throws WorkflowError, which names the file. */
export async function readWorkflowFile(path: string): Promise<unknown> {
  const bytes = await readFile(path).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException
    throw new WorkflowError(code === 'ENOENT' ? `There is no file ${path}` : `${path} cannot be read: ${String(code)}`)
  })
  return isCarrier(bytes) ? embedded(path, bytes) : parseText(path, bytes)
}

/** Takes a saved workflow, an API prompt or a body as posted to /prompt, read from `path`. Throws WorkflowError, which names the file. */
export function openWorkflow(path: string, parsed: unknown, classes: ObjectInfo): OpenedWorkflow {
  const value = isRecord(parsed) && isRecord(parsed['prompt']) && !isWorkflow(parsed) ? parsed['prompt'] : parsed
  if (!isRecord(value))
    throw new WorkflowError(`${path} holds neither a workflow nor an API prompt: expected an object with nodes`)
  if (!isWorkflow(value)) return { prompt: value, workflow: undefined }
  try {
    return { prompt: { ...toPrompt(value, classes) }, workflow: value }
  } catch (error) {
    throw error instanceof WorkflowError ? new WorkflowError(`${path}: ${error.message}`) : error
  }
}

/** Text of `--set` as a value: JSON where it is JSON, else the text itself. */
function valueOf(text: string): unknown {
  try {
    return parseExact(text)
  } catch {
    return text
  }
}

/** Applies `ID.INPUT=VALUE`; the prompt is not changed but copied. Throws WorkflowError for what names no node or input. */
export function setInput(
  prompt: Readonly<Record<string, unknown>>,
  setting: string,
  classes: ObjectInfo,
): Record<string, unknown> {
  const equals = setting.indexOf('=')
  const dot = setting.lastIndexOf('.', equals < 0 ? undefined : equals)
  if (equals < 0 || dot <= 0) throw new WorkflowError(`--set ${setting}: write it as ID.INPUT=VALUE, e.g. 3.seed=7`)
  const [id, input] = [setting.slice(0, dot), setting.slice(dot + 1, equals)]
  const node = Object.hasOwn(prompt, id) ? prompt[id] : undefined
  if (!isRecord(node))
    throw new WorkflowError(`--set ${setting}: there is no node ${id}; the nodes are ${Object.keys(prompt).join(', ')}`)
  const type = String(node['class_type'])
  const groups = Object.hasOwn(classes, type) ? Object.values(classes[type]?.input_order ?? {}).flat() : [input]
  if (!groups.includes(input))
    throw new WorkflowError(`--set ${setting}: ${type} has no input '${input}'; it has ${groups.join(', ')}`)
  const inputs = { ...(isRecord(node['inputs']) ? node['inputs'] : {}), [input]: valueOf(setting.slice(equals + 1)) }
  return { ...prompt, [id]: { ...node, inputs } }
}
