/** A result of the engine bench, as it is kept and as the README shows it. */
import { readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { fill } from '../fill.ts'

export const ENGINE_RESULT = 'bench/results/engine.json'

const EngineResult = z.object({
  command: z.string(),
  machine: z.string(),
  versions: z.string(),
  commit: z.string(),
  date: z.string(),
  /** Load of the machine before the bench, as processes that want to run: above half the cores the figures mean little. */
  load: z.number(),
  rows: z.array(
    z.object({
      name: z.string(),
      unit: z.enum(['ms', 'prompts/s', 'kB']),
      comfyui: z.string(),
      target: z.number().nullable(),
      /** Of all runs. */
      median: z.number(),
      best: z.number(),
      runs: z.number(),
    }),
  ),
})
export type EngineResult = z.infer<typeof EngineResult>

const shown = (value: number): string => (value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en'))

/** A Markdown table: ours beside ComfyUI's. */
export function engineTable({ rows }: EngineResult): string {
  const lines = rows.map(({ name, unit, median, best, comfyui, target }) => {
    const aim = target === null ? '' : `${unit === 'prompts/s' ? 'over' : 'under'} ${shown(target)}`
    return `| ${name} | ${unit} | ${shown(median)} | ${shown(best)} | ${comfyui} | ${aim} |`
  })
  return ['| | | median | best | ComfyUI | aim |', '| --- | --- | --: | --: | --: | --: |', ...lines].join('\n')
}

/** Puts the table into the README. Does nothing where nothing was measured. */
export async function publishEngine(root: string): Promise<void> {
  const path = join(root, ENGINE_RESULT)
  if (!existsSync(path)) return
  const result = EngineResult.parse(JSON.parse(await readFile(path, 'utf8')))
  const source = `${result.machine} (load ${result.load.toFixed(1)} before); ${result.versions}; commit ${result.commit}, ${result.date}; \`${result.command}\`.`
  await fill(root, 'README.md', 'engine', `${engineTable(result)}\n\n${source}`)
}
