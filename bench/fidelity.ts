/** Fidelity: every caption once under every setting, against its uncached run and against the converged solution. */
import { psnr, ssim } from '../diffusion/metrics.ts'
import { samplers } from '../diffusion/registry.ts'
import { tensor, type Tensor } from '../diffusion/tensor.ts'
import { keyOf, type Journal, type PictureRecord, type TruthRecord } from './journal.ts'
import type { Judges } from './judges/judges.ts'
import { decisionsOf, latentShape, openScene, paint, seedOf, sigmasFor, type Scene, type Stage } from './scene.ts'
import { uncached, type Setting } from './setting.ts'
import { shiftOf } from './shift.ts'
import { runCost, type Prices, type Work } from './work.ts'

/** What identifies a bench's measurements beside caption and setting. */
export interface Ground {
  readonly stage: Stage
  readonly journal: Journal
  /** Digest of the model's files. */
  readonly model: string
  /** Steps of the uncached run. */
  readonly steps: number
  /** Heun steps of the converged solution; 0 leaves it out. */
  readonly convergedSteps: number
  readonly judges: Judges
}

const about = ({ stage, model, steps }: Ground, index: number) => ({
  model,
  steps,
  size: stage.size,
  guidance: stage.guidance,
  shift: shiftOf(stage.checkpoint.model),
  caption: stage.captions[index],
  seed: seedOf(index),
})

const identity = ({ role, method, sampler, steps, sigmas, params }: Setting) => ({
  ...{ role, method, sampler, steps, params },
  ...(sigmas && { sigmas }),
})

/** Key of a setting's measurement of `kind` on a caption. */
export const settingKey = (kind: 'picture' | 'time' | 'memory', ground: Ground, index: number, setting: Setting) =>
  keyOf(kind, {
    ...about(ground, index),
    ...(kind === 'picture' ? { converged: ground.convergedSteps, judges: ground.judges.identity } : {}),
    setting: identity(setting),
  })

/** Key of a caption's converged solution. */
export const truthKey = (ground: Ground, index: number) =>
  keyOf('truth', { ...about(ground, index), converged: ground.convergedSteps })

/** The record of a caption under a setting, if it has been measured. */
export const pictureOf = (ground: Ground, index: number, setting: Setting): PictureRecord | undefined =>
  ground.journal.get('picture', settingKey('picture', ground, index, setting))

function relativeL1({ data: a }: Tensor, { data: b }: Tensor): number {
  let [apart, size] = [0, 0]
  for (let i = 0; i < b.length; i++) {
    apart += Math.abs(a[i]! - b[i]!)
    size += Math.abs(b[i]!)
  }
  return apart / size
}

/** |a - b| / |b|, Euclidean. */
export function relativeL2({ data: a }: Tensor, { data: b }: Tensor): number {
  let [apart, size] = [0, 0]
  for (let i = 0; i < b.length; i++) {
    apart += (a[i]! - b[i]!) ** 2
    size += b[i]! ** 2
  }
  return Math.sqrt(apart / size)
}

const toBase64 = ({ data }: Tensor): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')

/** The latent of a record [1, C, h, w]. */
export function convergedIn({ latent }: TruthRecord, stage: Stage): Tensor {
  const bytes = Uint8Array.from(Buffer.from(latent, 'base64'))
  return tensor(new Float32Array(bytes.buffer), [1, ...latentShape(stage)])
}

/**
 * Where the sampler would end with infinitely many steps from the same noise, as nearly as is affordable: Heun's method, whose
 * error falls with the square of the number of steps, so that it favours no first-order rival.
 */
async function truthOf(ground: Ground, scene: Scene): Promise<Tensor | null> {
  const { stage, journal, convergedSteps } = ground
  if (convergedSteps === 0) return null
  const key = truthKey(ground, scene.index)
  const known = journal.get('truth', key)
  if (known) return convergedIn(known, stage)
  const { latent } = await paint(stage, scene, { ...uncached(convergedSteps), sampler: 'heun' })
  await journal.add('truth', key, { latent: toBase64(latent) })
  return latent
}

/** What a caption's pictures are compared with. */
interface Reference {
  readonly scene: Scene
  readonly latent: Tensor
  readonly picture: Tensor
  readonly truth: Tensor | null
}

async function openReference(ground: Ground, index: number): Promise<Reference> {
  const scene = await openScene(ground.stage, index)
  const truth = await truthOf(ground, scene)
  const { latent } = await paint(ground.stage, scene, uncached(ground.steps))
  return { scene, truth, latent, picture: await ground.stage.checkpoint.vae.decode(latent) }
}

async function measure(ground: Ground, reference: Reference, setting: Setting): Promise<void> {
  const { stage, journal, judges } = ground
  const { scene, truth } = reference
  const { latent, report } = await paint(stage, scene, setting)
  const picture = await stage.checkpoint.vae.decode(latent)
  const decibels = psnr(picture, reference.picture)
  await journal.add('picture', settingKey('picture', ground, scene.index, setting), {
    evaluations: report.evaluations,
    blocks: report.computedBlocks,
    flops: report.computedFlops,
    psnr: Number.isFinite(decibels) ? decibels : null,
    ssim: ssim(picture, reference.picture),
    latentL1: relativeL1(latent, reference.latent),
    truthL2: truth && relativeL2(latent, truth),
    judged: await judges.judge(picture, reference.picture, scene.caption),
    decisions: decisionsOf(report),
  })
}

/** Measurements that are still to be made, caption by caption; a caption's reference is painted once. */
export function fidelityWork(ground: Ground, settings: readonly Setting[], prices: Prices): readonly Work[] {
  const { stage, convergedSteps, journal } = ground
  return stage.captions.flatMap((_, index): Work[] => {
    const missing = settings.filter((setting) => !pictureOf(ground, index, setting))
    if (missing.length === 0) return []
    let reference: Promise<Reference> | null = null
    const opened = () => (reference ??= openReference(ground, index))
    const truthIsKnown = convergedSteps === 0 || journal.get('truth', truthKey(ground, index)) !== undefined
    const opening: Work = {
      name: `caption ${index + 1}: uncached and converged`,
      cost: prices.picture + runCost(ground.steps + (truthIsKnown ? 0 : 2 * convergedSteps - 1), false, prices),
      async do() {
        await opened()
      },
    }
    const painting = missing.map((setting): Work => {
      const evaluations = samplers.get(setting.sampler)?.evaluations(sigmasFor(stage, setting)) ?? 0
      const cached = setting.role === 'method' || setting.role === 'mask'
      return {
        name: `caption ${index + 1}: ${setting.name}`,
        cost: prices.picture + runCost(evaluations, cached, prices),
        do: async () => measure(ground, await opened(), setting),
      }
    })
    const last = painting.at(-1)!
    const closing: Work = {
      ...last,
      do: async () => {
        await last.do()
        reference = null
      },
    }
    return [opening, ...painting.slice(0, -1), closing]
  })
}
