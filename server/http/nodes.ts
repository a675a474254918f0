/** GET /object_info: what can be wired. */
import type { Router } from 'express'
import { sendJson } from './body.ts'
import type { Context } from './context.ts'

export function nodeRoutes(router: Router, context: Context): void {
  router.get('/object_info', async (_request, response) => sendJson(response, await context.objectInfo()))

  // Files of node packs that were left out, and why.
  router.get('/heddle/node-problems', (_request, response) => sendJson(response, { problems: context.engine.problems }))

  router.get('/object_info/:type', async (request, response) => {
    const { type } = request.params
    const all = await context.objectInfo()
    sendJson(response, Object.hasOwn(all, type) ? { [type]: all[type] } : {})
  })
}
