/** ProfileBlocks: samples once in full and says which blocks add much the same from step to step; ours, not ProfilingDiT's own. */
import { BlockMeter, formatBlocks, mostStable } from '../../diffusion/caching/block-profile.ts'
import { eachBranch, PerBranch } from '../../diffusion/caching/branches.ts'
import { configure, type CacheConfiguration } from '../../diffusion/caching/contract.ts'
import { sample } from '../../diffusion/sampling.ts'
import { defineNode } from '../define.ts'
import { samplingInputs, samplingRun, watched } from '../sampling-run.ts'
import { float, type Values } from '../spec.ts'

const inputs = {
  ...samplingInputs,
  share: float({
    default: 0.65,
    min: 0.05,
    max: 1,
    step: 0.05,
    help: 'Share of the blocks to name, the most stable ones. More make a faster and less faithful cache.',
  }),
}

/** A plain run, block by block, measured: one meter for every sample and branch, in `meters`. */
const measuring = (meters: BlockMeter[]): CacheConfiguration =>
  configure(
    {
      id: 'ProfileBlocks',
      needs: (_, { depth }) => ({ cuts: Array.from({ length: depth + 1 }, (_, i) => i) }),
      start: () =>
        new PerBranch(() => {
          const meter = new BlockMeter()
          meters.push(meter)
          return meter
        }),
      evaluate: (call, denoiser, branches: PerBranch<BlockMeter>) =>
        eachBranch(call, async (branch) => {
          const output = await branches.of(branch).run(await denoiser.embed(call, branch), denoiser)
          return { prediction: await denoiser.head(output), trace: { decision: 'full' } }
        }),
    },
    {},
  )

/** Change of each block, as the mean over samples and branches. */
function meanChanges(meters: readonly BlockMeter[]): readonly number[] {
  const all = meters.map(({ changes }) => changes)
  return (all[0] ?? []).map((_, block) => all.reduce((sum, changes) => sum + changes[block]!, 0) / all.length)
}

async function run(values: Values<typeof inputs>, signal: AbortSignal, watch: ReturnType<typeof watched>) {
  const meters: BlockMeter[] = []
  const result = await sample({ ...samplingRun(values), ...watch, cache: measuring(meters), signal })
  const changes = meanChanges(meters)
  if (changes.length === 0) throw new Error('ProfileBlocks: expected at least 2 steps to compare, received fewer')
  return { result, changes }
}

export default defineNode({
  type: 'ProfileBlocks',
  category: 'measuring',
  help:
    "Samples once without any cache and names the blocks whose work changes least from step to step, for ProfilingDiT's blocks. Our own rule: " +
    'the authors compare attention with the picture’s foreground, by a profiler that they have not published. Costs one full run.',
  inputs,
  outputs: { blocks: 'STRING', LATENT: 'LATENT' },
  async run(values, { report, signal }) {
    const { result, changes } = await run(values, signal, watched(values.model.latent, report))
    const blocks = formatBlocks(mostStable(changes, values.share))
    const lines = changes.map((change, block) => `${block}: ${change.toFixed(4)}`)
    return {
      blocks,
      LATENT: { samples: result.samples },
      ui: { text: [`Most stable blocks: ${blocks}`, `Change per step: ${lines.join(', ')}`] },
    }
  },
})
