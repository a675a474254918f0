/** GET and POST /queue, POST /interrupt and /free: what runs, what waits, and stopping it. */
import type { Router } from 'express'
import { byTurn, type Job } from '../queue/port.ts'
import { bodyOf, sendJsonText, sendNothing } from './body.ts'
import type { Context } from './context.ts'
import { freeing, interruption, queueChange } from './contracts/prompt.ts'
import { readText } from './read-body.ts'

const MAX_BODY = 1 << 20

/** As JSON: the parts of a job are written already. */
const listed = (jobs: readonly Job[]): string =>
  `[${jobs
    .map(({ number, promptId, texts: { prompt, extraData, outputs } }) =>
      [number, JSON.stringify(promptId), prompt, extraData, outputs].join(),
    )
    .map((item) => `[${item}]`)
    .join()}]`

export function queueRoutes(router: Router, context: Context): void {
  router.get('/queue', async (_request, response) => {
    const { running, pending } = await context.queue.list()
    const staged = running.filter(({ promptId }) => context.dispatcher.isStaged(promptId))
    const begun = running.filter((job) => !staged.includes(job))
    // A job that was handed over early goes back when one is put before it, so all that wait stand in one order.
    const waiting = [...staged, ...pending].sort(byTurn)
    sendJsonText(response, `{"queue_running":${listed(begun)},"queue_pending":${listed(waiting)}}`)
  })

  router.post('/queue', readText(MAX_BODY), async (request, response) => {
    const { clear, delete: ids } = bodyOf(request, queueChange)
    context.dispatcher.withdraw((id) => clear === true || ids?.includes(id) === true)
    if (clear === true) await context.queue.clear()
    await context.queue.remove(ids ?? [])
    context.dispatcher.tellStatus()
    sendNothing(response)
  })

  router.post('/interrupt', readText(MAX_BODY), (request, response) => {
    const { prompt_id: id } = bodyOf(request, interruption)
    context.dispatcher.interrupt(id === '' || id === null ? undefined : id)
    sendNothing(response)
  })

  router.post('/free', readText(MAX_BODY), (request, response) => {
    const { unload_models: models, free_memory: memory } = bodyOf(request, freeing)
    context.engine.free({ models: models === true, memory: memory === true })
    sendNothing(response)
  })
}
