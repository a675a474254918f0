/** GET /system_stats, /features, /extensions, /embeddings, /models: what kind of server this is and what it holds. */
import { freemem, platform, totalmem } from 'node:os'
import type { Router } from 'express'
import packageJson from '../../package.json' with { type: 'json' }
import { MODEL_FOLDERS, modelsIn } from '../store/model-folders.ts'
import { HttpError, sendJson } from './body.ts'
import type { Context } from './context.ts'

/** The version of ComfyUI whose protocol is spoken; clients compare it. */
const COMFYUI_VERSION = '0.8.0'

function systemStats(): unknown {
  const [total, free] = [totalmem(), freemem()]
  return {
    system: {
      os: platform(),
      ram_total: total,
      ram_free: free,
      comfyui_version: COMFYUI_VERSION,
      required_frontend_version: null,
      installed_templates_version: null,
      required_templates_version: null,
      python_version: 'none',
      pytorch_version: 'none',
      embedded_python: false,
      argv: [],
      heddle_version: packageJson.version,
      node_version: process.version,
    },
    devices: [
      {
        name: 'cpu',
        type: 'cpu',
        index: null,
        vram_total: total,
        vram_free: free,
        torch_vram_total: total,
        torch_vram_free: free,
      },
    ],
  }
}

export function systemRoutes(router: Router, context: Context): void {
  router.get('/system_stats', (_request, response) => sendJson(response, systemStats()))
  router.get('/features', (_request, response) => sendJson(response, context.flags))
  router.get('/extensions', (_request, response) => sendJson(response, []))

  router.get('/embeddings', (_request, response) => {
    const names = modelsIn(context.modelDirs, 'embeddings').map(({ name }) => name.replace(/\.[a-z]+$/i, ''))
    sendJson(response, names)
  })

  router.get('/models', (_request, response) => sendJson(response, Object.keys(MODEL_FOLDERS)))

  router.get('/models/:folder', (request, response) => {
    const { folder } = request.params
    if (!Object.hasOwn(MODEL_FOLDERS, folder)) throw new HttpError(404, `There is no folder of models '${folder}'.`)
    const names = modelsIn(context.modelDirs, folder).map(({ name }) => name)
    sendJson(response, names)
  })
}
