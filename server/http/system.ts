/** GET /system_stats and /features: what kind of server this is; and what its editor asks of packs that bring pages of their own. */
import { freemem, platform, totalmem } from 'node:os'
import type { Router } from 'express'
import { currentChoice, nameOfDevice } from '../../diffusion/onnx/providers.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { sendJson } from './body.ts'
import type { Context } from './context.ts'

/** The version of ComfyUI whose protocol is spoken; clients compare it. */
const COMFYUI_VERSION = '0.8.0'

function systemStats(): unknown {
  const [total, free] = [totalmem(), freemem()]
  const { device, reason } = currentChoice()
  const onCpu = device.provider === 'cpu'
  // ONNX Runtime does not tell a GPU's memory: 0 stands for unknown.
  const [deviceTotal, deviceFree] = onCpu ? [total, free] : [0, 0]
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
      // No node here calls ComfyUI's paid services; told so, its editor does not ask their host for news either.
      argv: ['--disable-api-nodes'],
      heddle_version: packageJson.version,
      node_version: process.version,
    },
    devices: [
      {
        name: nameOfDevice(device),
        type: device.provider,
        index: onCpu ? null : device.id,
        vram_total: deviceTotal,
        vram_free: deviceFree,
        torch_vram_total: deviceTotal,
        torch_vram_free: deviceFree,
        heddle_reason: reason,
      },
    ],
  }
}

export function systemRoutes(router: Router, context: Context): void {
  router.get('/system_stats', (_request, response) => sendJson(response, systemStats()))
  router.get('/features', (_request, response) => sendJson(response, context.flags))
  // Packs bring nodes only: no scripts, translations, templates, subgraphs or renamed classes.
  router.get('/extensions', (_request, response) => sendJson(response, []))
  for (const path of ['/i18n', '/workflow_templates', '/global_subgraphs', '/node_replacements'])
    router.get(path, (_request, response) => sendJson(response, {}))
  router.get('/global_subgraphs/:id', (_request, response) => sendJson(response, null))
}
