/** Opens a workflow file of any kind, and changes single inputs of a prompt. */
import { readFile } from 'node:fs/promises'
import { embeddedWorkflow, isCarrier } from '../../formats/metadata/read.ts'
import { MetadataError } from '../../formats/metadata/texts.ts'
import type { ObjectInfo } from '../engine/protocol.ts'
import { isRecord, parseExact } from '../json.ts'
import { isWorkflow, toPrompt } from '../../formats/workflow/to-prompt.ts'
import { WorkflowError } from '../../formats/workflow/read.ts'

/** A file's content: a prompt, and the workflow of the editor if that is what the file holds. */
export interface OpenedWorkflow {
  readonly prompt: Record<string, unknown>
  readonly workflow: unknown
}

async function parse(path: string): Promise<unknown> {
  const bytes = await readFile(path).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException
    throw new WorkflowError(code === 'ENOENT' ? `There is no file ${path}` : `${path} cannot be read: ${String(code)}`)
  })
  try {
    if (!isCarrier(bytes)) return parseExact(bytes.toString('utf8'))
    const found = await embeddedWorkflow(bytes, parseExact)
    if (found === null) throw new WorkflowError(`${path} is a picture or a video that carries no workflow`)
    return found
  } catch (error) {
    if (error instanceof WorkflowError) throw error
    if (error instanceof MetadataError) throw new WorkflowError(`${path}: ${error.message}`)
    throw new WorkflowError(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Reads a saved workflow, an API prompt, a body as posted to /prompt, or a picture or video with one inside. Throws WorkflowError. */
export async function openWorkflow(path: string, classes: ObjectInfo): Promise<OpenedWorkflow> {
  const parsed = await parse(path)
  const value = isRecord(parsed) && isRecord(parsed['prompt']) && !isWorkflow(parsed) ? parsed['prompt'] : parsed
  if (isWorkflow(value)) return { prompt: { ...toPrompt(value, classes) }, workflow: value }
  if (!isRecord(value)) throw new WorkflowError(`${path} holds neither a workflow nor an API prompt`)
  return { prompt: value, workflow: undefined }
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
