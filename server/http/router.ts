/** All routes, by groups, each with its contracts; they are served bare and again under /api. */
import { Router } from 'express'
import { comfyJobRoutes } from './comfy-jobs.ts'
import type { Context } from './context.ts'
import type { Contract } from './contracts/contract.ts'
import { fileContracts } from './contracts/files.ts'
import { historyContracts } from './contracts/history.ts'
import { jobContracts } from './contracts/jobs.ts'
import { promptContracts } from './contracts/prompt.ts'
import { systemContracts } from './contracts/system.ts'
import { userdataContracts } from './contracts/userdata.ts'
import { historyRoutes } from './history.ts'
import { internalRoutes } from './internal.ts'
import { jobRoutes } from './jobs.ts'
import { modelRoutes } from './models.ts'
import { nodeHelpRoutes } from './node-help.ts'
import { nodeRoutes } from './nodes.ts'
import { documentContracts, documentRoutes } from './openapi.ts'
import { promptRoutes } from './prompt.ts'
import { queueRoutes } from './queue.ts'
import { reportRoutes } from './reports.ts'
import { systemRoutes } from './system.ts'
import { templateRoutes } from './templates.ts'
import { uploadRoutes } from './upload.ts'
import { userdataRoutes } from './userdata.ts'
import { viewRoutes } from './view.ts'
import { workflowRoutes } from './workflows.ts'

const GROUPS = [
  promptRoutes,
  queueRoutes,
  historyRoutes,
  reportRoutes,
  jobRoutes,
  comfyJobRoutes,
  nodeRoutes,
  nodeHelpRoutes,
  modelRoutes,
  viewRoutes,
  uploadRoutes,
  systemRoutes,
  internalRoutes,
  userdataRoutes,
  workflowRoutes,
  templateRoutes,
]

/** What every route takes and answers; examples may be sent in this order. */
export const CONTRACTS: readonly Contract[] = [
  ...documentContracts,
  ...promptContracts,
  ...jobContracts,
  ...historyContracts,
  ...fileContracts,
  ...userdataContracts,
  ...systemContracts,
]

export function routes(context: Context): Router {
  const router = Router()
  for (const group of GROUPS) group(router, context)
  documentRoutes(router, CONTRACTS)
  return router
}
