/** GET /heddle/reports: what the sampling runs of finished prompts did, beside the history that ComfyUI's clients read. */
import type { Router } from 'express'
import { checked, HttpError, sendJsonText } from './body.ts'
import type { Context } from './context.ts'
import { reportsAsked } from './contracts/history.ts'

/** Prompts in a list when the request does not say, and at most. */
const [LISTED, MOST] = [64, 10_000]

export function reportRoutes(router: Router, { history }: Context): void {
  router.get('/heddle/reports', (request, response) =>
    sendJsonText(
      response,
      history.summariesJson(Math.min(MOST, checked(reportsAsked, request.query).max_items ?? LISTED)),
    ),
  )

  router.get('/heddle/reports/:id', (request, response) => {
    const { id } = request.params
    const reports = history.reportsJson(id)
    if (reports === null) throw new HttpError(404, `There is no finished prompt '${id.slice(0, 80)}'.`)
    sendJsonText(response, reports)
  })
}
