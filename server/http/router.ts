/** All routes, by groups; they are served bare and again under /api. */
import { Router } from 'express'
import type { Context } from './context.ts'
import { historyRoutes } from './history.ts'
import { nodeRoutes } from './nodes.ts'
import { promptRoutes } from './prompt.ts'
import { queueRoutes } from './queue.ts'
import { reportRoutes } from './reports.ts'
import { systemRoutes } from './system.ts'
import { uploadRoutes } from './upload.ts'
import { userdataRoutes } from './userdata.ts'
import { viewRoutes } from './view.ts'
import { workflowRoutes } from './workflows.ts'

const GROUPS = [
  promptRoutes,
  queueRoutes,
  historyRoutes,
  reportRoutes,
  nodeRoutes,
  viewRoutes,
  uploadRoutes,
  systemRoutes,
  userdataRoutes,
  workflowRoutes,
]

export function routes(context: Context): Router {
  const router = Router()
  for (const group of GROUPS) group(router, context)
  return router
}
