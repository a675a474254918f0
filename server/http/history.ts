/** GET and POST /history: what became of the prompts. */
import type { Router } from 'express'
import { bodyOf, queryText, sendJson, sendJsonText, sendNothing } from './body.ts'
import type { Context } from './context.ts'
import { queueChange } from './contracts/prompt.ts'
import { readText } from './read-body.ts'

const MAX_BODY = 1 << 20

/** The whole number that a query parameter is, null when it is absent, undefined when it is something else. */
function whole(text: string | null): number | null | undefined {
  if (text === null || text === '') return null
  return /^-?\d{1,9}$/.test(text) ? Number(text) : undefined
}

export function historyRoutes(router: Router, context: Context): void {
  const { history } = context

  router.get('/history', (request, response) => {
    const most = whole(queryText(request, 'max_items'))
    const offset = whole(queryText(request, 'offset'))
    if (most === undefined || offset === undefined) {
      const name = most === undefined ? 'max_items' : 'offset'
      sendJson(response, { error: `${name} must be an integer` }, 400)
    } else sendJsonText(response, history.listJson(most !== null && most < 0 ? null : most, offset ?? -1))
  })

  router.get('/history/:id', (request, response) => {
    const { id } = request.params
    const entry = history.getJson(id)
    sendJsonText(response, entry === null ? '{}' : `{${JSON.stringify(id)}:${entry}}`)
  })

  router.post('/history', readText(MAX_BODY), (request, response) => {
    const { clear, delete: ids } = bodyOf(request, queueChange)
    if (clear === true) history.clear()
    history.remove(ids ?? [])
    sendNothing(response)
  })
}
