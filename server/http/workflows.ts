/** GET /heddle/workflows: the workflows that are shipped with the program. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Router } from 'express'
import { isRecord, parseExact } from '../json.ts'
import { HttpError, sendJson, sendJsonText } from './body.ts'
import type { Context } from './context.ts'

/** What a workflow calls itself (`extra.title`), else its file's name in words. */
export function titleOf(workflow: unknown, name: string): string {
  const extra = isRecord(workflow) ? workflow['extra'] : undefined
  const title = isRecord(extra) ? extra['title'] : undefined
  const words = name.replace(/[-_]+/g, ' ')
  return typeof title === 'string' ? title : words.charAt(0).toUpperCase() + words.slice(1)
}

/** Names without '.json' of the workflows in a folder. */
export async function workflowNames(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch(() => [])
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -5))
    .sort()
}

export function workflowRoutes(router: Router, context: Context): void {
  const folder = context.workflows

  router.get('/heddle/workflows', async (_request, response) => {
    const listed = (await workflowNames(folder)).map(async (name) => {
      const workflow = parseExact(await readFile(join(folder, `${name}.json`), 'utf8'))
      return { name, title: titleOf(workflow, name) }
    })
    sendJson(response, await Promise.all(listed))
  })

  router.get('/heddle/workflows/:name', async (request, response) => {
    const name = request.params.name.replace(/\.json$/, '')
    if (!(await workflowNames(folder)).includes(name))
      throw new HttpError(404, `There is no shipped workflow '${name}'.`)
    sendJsonText(response, await readFile(join(folder, `${name}.json`), 'utf8'))
  })
}
