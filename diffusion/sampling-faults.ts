/** What can be wrong with the arguments of a sampling run; all of it is told at once, before anything runs. */
import type { Conditioning } from './families/contract.ts'
import { isReached, promptsOf, sidesOf, streamsOf, type Side } from './guidance/prompts.ts'
import type { SamplingRun } from './sampling-types.ts'
import { sizeOf } from './tensor.ts'

const shapeText = (shape: readonly number[]): string => `[${shape.join(', ')}]`

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((extent, axis) => extent === b[axis])

function faultsOfPrompt(side: Side, { tokens, pooled }: Conditioning, samples: number): string[] {
  const [prompts = 0, pools = prompts] = [tokens.shape[0], pooled?.shape[0]]
  if (pools === prompts && (prompts === 1 || prompts === samples)) return []
  return [
    `${side}: expected one prompt for all ${samples} latents or one for each, received ${prompts} (pooled ${pools})`,
  ]
}

/** Levels of the run at which no positive prompt applies. */
function faultsOfReach(run: SamplingRun): string[] {
  const positive = streamsOf(run, run.model.parametrisation).filter(
    ({ prompts }) => prompts.get('cond')?.side === 'positive',
  )
  const bare = run.sigmas.slice(0, -1).filter((sigma) => !positive.some(({ reach }) => isReached(reach, sigma)))
  return bare.length > 0 && positive.length > 0
    ? [`positive: no prompt applies at ${bare.length} of the levels, such as ${bare[0]}: widen its timestep range`]
    : []
}

function faultsOfConditioning(run: SamplingRun): string[] {
  const samples = run.latent.shape[0] ?? 0
  const ofSides = sidesOf(run).flatMap((side) => {
    const prompts = promptsOf(run, side)
    if (prompts.length === 0) return [`${side}: expected at least one conditioning, received none`]
    return prompts.flatMap((one) => faultsOfPrompt(side, one, samples))
  })
  return [...ofSides, ...faultsOfReach(run)]
}

/** Rising levels go the other way, from a picture to its noise. */
function faultsOfSigmas({ sigmas, model }: SamplingRun): string[] {
  if (sigmas.length === 0) return []
  if (sigmas.length === 1) return ['sigmas: expected at least two noise levels, received one']
  const isFlow = model.parametrisation.kind === 'flow'
  const falling = sigmas.every((sigma, i) => i === 0 || sigma < sigmas[i - 1]!)
  const rising = sigmas[0]! > 0 && sigmas.every((sigma, i) => i === 0 || sigma > sigmas[i - 1]!)
  const inRange = sigmas.every((sigma) => sigma >= 0 && sigma <= (isFlow ? 1 : Infinity))
  if (rising && isFlow && sigmas.at(-1) === 1)
    return ['sigmas: rising to 1, the pure noise of a flow model, which holds nothing of the picture; end below it']
  if ((falling || rising) && inRange) return []
  return [`sigmas: expected falling values ${isFlow ? 'from 0 to 1' : 'of at least 0'}, received ${shapeText(sigmas)}`]
}

function faultsOfLatents({ latent, noise, mask, model }: SamplingRun): string[] {
  const faults: string[] = []
  const expected = `expected the latent's shape ${shapeText(latent.shape)}`
  if (!sameShape(latent.shape, noise.shape)) faults.push(`noise: ${expected}, received ${shapeText(noise.shape)}`)
  if (mask && !sameShape(latent.shape, mask.shape)) faults.push(`mask: ${expected}, received ${shapeText(mask.shape)}`)
  if (sizeOf(latent.shape) === 0)
    faults.push(`latent: expected at least one value, received the shape ${shapeText(latent.shape)}`)
  const channels = model.latent.channels
  if (latent.shape[1] !== channels)
    faults.push(
      `latent: this model takes ${channels} channels, received ${latent.shape[1]} in ${shapeText(latent.shape)}`,
    )
  return faults
}

function faultsOfGuidance({ guidance, second }: SamplingRun): string[] {
  const scales = [guidance, ...(second ? [second.guidance] : [])]
  return scales.every(Number.isFinite) ? [] : [`guidance: expected a finite scale, received ${scales.join(' and ')}`]
}

/** One sentence for each fault; empty when there is none. */
export const faultsOf = (run: SamplingRun): readonly string[] => [
  ...faultsOfConditioning(run),
  ...faultsOfSigmas(run),
  ...faultsOfLatents(run),
  ...faultsOfGuidance(run),
]
