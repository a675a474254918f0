/** GET /heddle/reports: what the sampling runs of finished prompts did, beside the history that ComfyUI's clients read. */
import type { Router } from 'express'
import { HttpError, queryText, sendJsonText } from './body.ts'
import type { Context } from './context.ts'

/** Prompts in a list when the request does not say, and at most. */
const [LISTED, MOST] = [64, 10_000]

function countOf(text: string | null): number {
  if (text === null || text === '') return LISTED
  if (!/^\d{1,9}$/.test(text))
    throw new HttpError(400, `max_items must be a whole number from 0, received '${text.slice(0, 40)}'`)
  return Math.min(MOST, Number(text))
}

export function reportRoutes(router: Router, { history }: Context): void {
  router.get('/heddle/reports', (request, response) =>
    sendJsonText(response, history.summariesJson(countOf(queryText(request, 'max_items')))),
  )

  router.get('/heddle/reports/:id', (request, response) => {
    const { id } = request.params
    const reports = history.reportsJson(id)
    if (reports === null) throw new HttpError(404, `There is no finished prompt '${id.slice(0, 80)}'.`)
    sendJsonText(response, reports)
  })
}
