/** Calibrations of the methods that need one for a model, made on captions that are not measured on. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Registry } from '../server/engine/registry.ts'
import { zeros } from '../diffusion/tensor.ts'
import { keyOf, type Journal } from './journal.ts'
import { runNode, valuesFor, type Values } from './nodes.ts'
import { latentShape, SCHEDULE, type Stage } from './scene.ts'

/** Seed of the calibration runs; far from those of the captions that are measured. */
const SEED = 77_000
const CAPTIONS = join(import.meta.dirname, 'calibration-captions.json')

/** Text that the calibrating node `type` gives for this model, sampler and number of steps. */
export type Calibrate = (type: string, given: Values) => Promise<string>

/** Runs calibrating nodes of `registry`: those with a sampler's inputs and a STRING output. Each is run once and then remembered. */
export function calibrator(
  stage: Stage,
  registry: Registry,
  about: { readonly journal: Journal; readonly model: string; readonly steps: number; readonly captions: number },
): Calibrate {
  const { journal, model, steps } = about
  return async (type, given) => {
    const node = registry.nodes.get(type)
    if (!node) throw new Error(`bench: there is no calibrating node ${type}`)
    const all = z.array(z.string()).parse(JSON.parse(await readFile(CAPTIONS, 'utf8')))
    const captions = all.slice(0, about.captions)
    const run = { seed: SEED, steps, cfg: stage.guidance, sampler_name: 'euler', scheduler: SCHEDULE }
    const values = valuesFor(node, { ...run, ...given }, `bench, ${type}`)
    const key = keyOf('calibration', { model, size: stage.size, type, captions, run, given })
    const known = journal.get('calibration', key)
    if (known) return known.text
    process.stderr.write(`${type}: ${captions.length} captions that are not measured on ...\n`)
    const positive = []
    for (const caption of captions) positive.push(await stage.checkpoint.clip.encode(caption))
    const outputs = await runNode(node, values, {
      model: stage.checkpoint.model,
      positive,
      negative: [stage.negative],
      latent_image: { samples: zeros([1, ...latentShape(stage)]) },
    })
    const text = z.string().min(1).parse(outputs.get('STRING'))
    await journal.add('calibration', key, { text })
    return text
  }
}
