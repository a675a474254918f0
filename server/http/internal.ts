/** /internal: the log, and where files lie, as ComfyUI's editor asks for them. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Router } from 'express'
import { MODEL_FOLDERS, modelFolderDirs } from '../store/model-folders.ts'
import { bodyOf, sendJson, sendNothing } from './body.ts'
import type { Context } from './context.ts'
import { subscription } from './contracts/system.ts'
import { readText } from './read-body.ts'

const MAX_BODY = 1 << 16

/** Names of the plain files directly in `folder`, newest first. */
async function newestFirst(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
  const dated = await Promise.all(
    files.map(async ({ name }) => {
      const found = await stat(join(folder, name)).catch(() => null)
      return { name, time: found?.mtimeMs ?? 0 }
    }),
  )
  return dated.sort((a, b) => b.time - a.time).map(({ name }) => name)
}

export function internalRoutes(router: Router, { log, hub, folders, modelDirs }: Context): void {
  router.get('/internal/logs', (_request, response) =>
    sendJson(response, log.entries.map(({ t, m }) => `${t} - ${m}`).join('')),
  )
  router.get('/internal/logs/raw', (_request, response) =>
    sendJson(response, { entries: log.entries, size: { cols: 80, rows: 24 } }),
  )
  router.patch('/internal/logs/subscribe', readText(MAX_BODY), (request, response) => {
    const { clientId: client, enabled } = bodyOf(request, subscription)
    log.follow(client, enabled ? (entry) => hub.tell(client, '', { type: 'logs', data: { entries: [entry] } }) : null)
    sendNothing(response)
  })
  router.get('/internal/folder_paths', (_request, response) => {
    const dirs = Object.keys(MODEL_FOLDERS).map((folder) => [folder, modelFolderDirs(modelDirs, folder)])
    sendJson(response, Object.fromEntries(dirs))
  })
  router.get('/internal/files/:kind', async (request, response) => {
    const { kind } = request.params
    if (kind !== 'input' && kind !== 'output' && kind !== 'temp')
      sendJson(response, { error: `the folder must be input, output or temp, received '${kind.slice(0, 40)}'` }, 400)
    else sendJson(response, await newestFirst(folders[kind]))
  })
}
