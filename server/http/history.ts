/** GET and POST /history: what became of the prompts. */
import type { Router } from 'express'
import { HttpError, objectOf, queryText, readText, sendJson, sendJsonText, sendNothing, texts } from './body.ts'
import type { Context } from './context.ts'

const MAX_BODY = 1 << 20

function whole(text: string | null, name: string): number | null {
  if (text === null || text === '') return null
  if (!/^-?\d{1,9}$/.test(text))
    throw new HttpError(400, `${name} must be a whole number, received '${text.slice(0, 40)}'`)
  return Number(text)
}

export function historyRoutes(router: Router, context: Context): void {
  const { history } = context

  router.get('/history', (request, response) => {
    const most = whole(queryText(request, 'max_items'), 'max_items')
    const offset = whole(queryText(request, 'offset'), 'offset') ?? -1
    sendJsonText(response, history.listJson(most !== null && most < 0 ? null : most, offset))
  })

  router.get('/history/:id', (request, response) => {
    const { id } = request.params
    const entry = history.get(id)
    sendJson(response, entry ? { [id]: entry } : {})
  })

  router.post('/history', readText(MAX_BODY), (request, response) => {
    const body = objectOf(request)
    if (body['clear'] === true) history.clear()
    history.remove(texts(body['delete']))
    sendNothing(response)
  })
}
