/** /templates: the shipped workflows as ComfyUI's editor offers them to someone who starts, each with a map of itself as its picture. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RequestHandler, Response, Router } from 'express'
import { isRecord, parseExact } from '../json.ts'
import { drawMap } from '../../formats/workflow/map.ts'
import { sendJson, sendJsonText } from './body.ts'
import type { Context } from './context.ts'
import { titleOf, workflowNames } from './workflows.ts'

/** An entry of the index, in the words of ComfyUI's template package. */
interface Template {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly mediaType: 'image'
  readonly mediaSubtype: 'svg'
}

const typesOf = (workflow: unknown): string[] => {
  const nodes: unknown = isRecord(workflow) ? workflow['nodes'] : undefined
  const types = Array.isArray(nodes) ? nodes.map((node: unknown) => (isRecord(node) ? node['type'] : undefined)) : []
  return [...new Set(types.filter((type) => typeof type === 'string'))]
}

const read = (folder: string, name: string): Promise<string> => readFile(join(folder, `${name}.json`), 'utf8')

async function index(folder: string): Promise<unknown> {
  const listed = (await workflowNames(folder)).map(async (name): Promise<Template> => {
    const workflow = parseExact(await read(folder, name))
    const shown = { title: titleOf(workflow, name), description: `Nodes: ${typesOf(workflow).join(', ')}` }
    return { name, ...shown, mediaType: 'image', mediaSubtype: 'svg' }
  })
  const templates = await Promise.all(listed)
  // 'default' is the name of the module whose files lie below /templates; new users are shown the essential 'Getting Started' only.
  return [{ moduleName: 'default', title: 'Getting Started', type: 'image', isEssential: true, templates }]
}

export function templateRoutes(router: Router, context: Context): void {
  const folder = context.workflows
  /** Sends what `send` makes of a shipped workflow; front ends bring templates of their own below the same path. */
  const shipped =
    (send: (response: Response, text: string) => void): RequestHandler<{ name: string }> =>
    async (request, response, next) => {
      const { name } = request.params
      if ((await workflowNames(folder)).includes(name)) send(response, await read(folder, name))
      else next()
    }
  // Titles are in one language, whatever the editor's is.
  for (const path of ['/templates/index.json', '/templates/index.:locale.json'])
    router.get(path, async (_request, response) => sendJson(response, await index(folder)))
  // Logos of makers: none. How to search: as the editor does when it is not told.
  router.get('/templates/index_logo.json', (_request, response) => sendJson(response, {}))
  router.get('/templates/fuse_options.json', (_request, response) => sendJson(response, null))
  router.get('/templates/:name.json', shipped(sendJsonText))
  router.get(
    '/templates/:name-1.svg',
    shipped((response, text) => void response.type('image/svg+xml').send(drawMap(parseExact(text)))),
  )
}
