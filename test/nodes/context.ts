/** A run context over a real folder, for tests that call a node's `run` directly. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunContext } from '../../nodes/define.ts'

/** Files are kept under `root`/input, output and temp; `save` names them prefix_0, prefix_1, ... */
export function context(root: string): RunContext & { readonly warnings: string[] } {
  const warnings: string[] = []
  let saved = 0
  return {
    nodeId: '1',
    signal: new AbortController().signal,
    metadata: true,
    undeclared: {},
    graph: () => {
      throw new Error('no graph in this test')
    },
    warnings,
    report: {
      progress: () => undefined,
      preview: () => undefined,
      cacheRows: () => undefined,
      sampled: () => undefined,
      warn: (message) => warnings.push(message),
    },
    files: {
      async resolve(folder, name) {
        await mkdir(join(root, folder), { recursive: true })
        return join(root, folder, name)
      },
      async save(folder, prefix, extension, bytes) {
        const filename = `${prefix}_${saved++}.${extension}`
        await mkdir(join(root, folder), { recursive: true })
        await writeFile(join(root, folder, filename), bytes)
        return { filename, subfolder: '', type: folder }
      },
    },
    models: {
      checkpoint: () => Promise.reject(new Error('no models in this test')),
      diffusionModel: () => Promise.reject(new Error('no models in this test')),
      autoencoder: () => Promise.reject(new Error('no models in this test')),
      textEncoders: () => Promise.reject(new Error('no models in this test')),
      visionEncoder: () => Promise.reject(new Error('no models in this test')),
      lora: () => Promise.reject(new Error('no models in this test')),
      adopt: () => undefined,
    },
  }
}
