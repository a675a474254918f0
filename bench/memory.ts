/** Memory: how much a run keeps alive between model evaluations, and how large the process gets. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { settingKey, type Ground } from './fidelity.ts'
import type { JournalRecord } from './journal.ts'
import { openScene, paint } from './scene.ts'
import type { Setting } from './setting.ts'
import type { Work } from './work.ts'

type MemoryRecord = Extract<JournalRecord, { kind: 'memory' }>

/** The memory of a setting, measured on the first caption, if it has been. */
export const memoryOf = (ground: Ground, setting: Setting): MemoryRecord | undefined =>
  ground.journal.get('memory', settingKey('memory', ground, 0, setting))

/** Evaluations at which a run is looked into, evenly over it: a collection takes longer than the evaluation. */
const LOOKS = 8

/** Node's collector, which programs reach by this detour when they were not started with --expose-gc. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  return () => {
    // The second waits for what the first one left to sweep.
    collect()
    collect()
  }
}

/**
 * Bytes of tensors that are still in use after an evaluation, beyond those in use before the run, at their most: what a method
 * keeps, and the latents of the sampler. And the largest resident size of the process, weights and sessions included, which
 * does not shrink from one setting to the next. Garbage is collected between evaluations, so this run's time means nothing.
 */
async function measure(ground: Ground, setting: Setting): Promise<void> {
  const collect = collector()
  const scene = await openScene(ground.stage, 0)
  const inUse = (): number => {
    collect()
    return process.memoryUsage().arrayBuffers
  }
  // What earlier runs left behind is let go only after promises and finalizers have had their turn.
  inUse()
  await new Promise((resolve) => setTimeout(resolve, 50))
  const before = inUse()
  let [heldBytes, residentBytes, done] = [0, 0, 0]
  const every = Math.max(1, Math.floor(setting.steps / LOOKS))
  await paint(ground.stage, scene, setting, () => {
    residentBytes = Math.max(residentBytes, process.memoryUsage().rss)
    if (++done % every === 0) heldBytes = Math.max(heldBytes, inUse() - before)
  })
  await ground.journal.add('memory', settingKey('memory', ground, 0, setting), { residentBytes, heldBytes })
}

/** Settings whose memory is still to be measured; runs with fewer steps keep what the uncached one keeps. */
export const memoryWork = (ground: Ground, settings: readonly Setting[], cost: number): readonly Work[] =>
  settings
    .filter((setting) => setting.role !== 'fewer' && !memoryOf(ground, setting))
    .map((setting) => ({ name: `memory of ${setting.method}`, cost, do: () => measure(ground, setting) }))
