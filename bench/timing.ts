/** Speed: settings in small groups between uncached runs, there and back, so that what slows the machine slows both. */
import { settingKey, type Ground } from './fidelity.ts'
import type { TimeRecord } from './journal.ts'
import { samplers } from '../diffusion/registry.ts'
import { openScene, paint, sigmasFor, type Painted } from './scene.ts'
import { uncached, type Setting } from './setting.ts'
import { runCost, type Prices, type Work } from './work.ts'

/** Settings between two uncached runs: few, so that they are near to both. */
const GROUP = 4

/** The time of a setting on a caption, if it has been measured. */
export const timeOf = (ground: Ground, index: number, setting: Setting): TimeRecord | undefined =>
  ground.journal.get('time', settingKey('time', ground, index, setting))

/** Neighbours in the table are of one method and cut the model at the same blocks: they are timed together. */
function groups(settings: readonly Setting[]): readonly (readonly Setting[])[] {
  const byMethod = new Map<string, Setting[]>()
  for (const setting of settings) byMethod.set(setting.method, [...(byMethod.get(setting.method) ?? []), setting])
  return [...byMethod.values()].flatMap((own) =>
    Array.from({ length: Math.ceil(own.length / GROUP) }, (_, i) => own.slice(i * GROUP, (i + 1) * GROUP)),
  )
}

/** U A B .. B A U: a drift of the machine's speed that is even over the round cancels out. */
async function round(ground: Ground, index: number, group: readonly Setting[]): Promise<void> {
  const { stage, journal, steps } = ground
  const scene = await openScene(stage, index)
  const before = await paint(stage, scene, uncached(steps))
  const there: Painted[] = []
  for (const setting of group) there.push(await paint(stage, scene, setting))
  const back: Painted[] = []
  for (const setting of [...group].reverse()) back.unshift(await paint(stage, scene, setting))
  const after = await paint(stage, scene, uncached(steps))
  for (const [i, setting] of group.entries())
    await journal.add('time', settingKey('time', ground, index, setting), {
      seconds: [there[i]!.report.seconds, back[i]!.report.seconds],
      uncachedSeconds: [before.report.seconds, after.report.seconds],
      flops: there[i]!.report.computedFlops,
      uncachedFlops: before.report.computedFlops,
    })
}

/** Rounds still to be made on the first `captions` captions; each group first runs once unmeasured, which opens its sessions. */
export function timingWork(
  ground: Ground,
  settings: readonly Setting[],
  captions: number,
  prices: Prices,
): readonly Work[] {
  const { stage, steps } = ground
  const costOf = (setting: Setting) =>
    runCost(
      samplers.get(setting.sampler)?.evaluations(sigmasFor(stage, setting)) ?? 0,
      setting.role === 'method' || setting.role === 'mask',
      prices,
    )
  return groups(settings).flatMap((group): Work[] => {
    const todo = Array.from({ length: captions }, (_, index) => index).filter((index) =>
      group.some((setting) => !timeOf(ground, index, setting)),
    )
    if (todo.length === 0) return []
    const name = `timing ${group[0]!.method}`
    const once = group.reduce((total, setting) => total + costOf(setting), 0)
    const warmUp: Work = {
      name,
      cost: once,
      async do() {
        const scene = await openScene(stage, 0)
        for (const setting of group) await paint(stage, scene, setting)
      },
    }
    const rounds = todo.map((index): Work => ({
      name,
      cost: 2 * once + 2 * runCost(steps, false, prices),
      do: () => round(ground, index, group),
    }))
    return [warmUp, ...rounds]
  })
}
