/** Every caching node there is, under the rules of every cache; a node that says nothing of how to try it fails here. */
import { describe, expect, it } from 'vitest'
import type { CacheConfiguration } from '../../../diffusion/caching/contract.ts'
import { UnmetNeedsError } from '../../../diffusion/caching/contract.ts'
import type { SamplingResult } from '../../../diffusion/sampling-types.ts'
import type { Spec } from '../../../nodes/spec.ts'
import type { RegisteredNode } from '../../../server/engine/registry.ts'
import { fakeTransformer } from '../../fixtures/fake-model.ts'
import { conformance } from '../../diffusion/caching/conformance.ts'
import { runFake, untimed, type FakeRunOptions } from '../../diffusion/caching/run.ts'
import { bare, cachingNodes, configured, declarationsOf, subjectOf, type Declaration } from './subject.ts'

interface Found {
  readonly node: RegisteredNode
  readonly declarations: readonly Declaration[]
  /** Why there are none. */
  readonly fault: string | null
}

/** Only the method whose file is so named is tried, where one is named: `METHOD=dicache npx vitest run ...`. */
const wanted = process.env['METHOD']
const nodes = (await cachingNodes()).filter(
  ({ definition: { type } }) => wanted === undefined || bare(type) === bare(wanted),
)
const found: readonly Found[] = await Promise.all(
  nodes.map((node) =>
    declarationsOf(node).then(
      (declarations): Found => ({ node, declarations, fault: null }),
      (error: unknown): Found => ({ node, declarations: [], fault: String(error) }),
    ),
  ),
)

for (const { node, declarations } of found)
  for (const declaration of declarations) conformance(await subjectOf(node, declaration))

const declared = found.filter(({ declarations }) => declarations.length > 0)
const presetsOf = (node: RegisteredNode): readonly string[] => {
  const options = node.spec('preset')?.options(() => [])['options']
  return Array.isArray(options) ? options.filter((one): one is string => typeof one === 'string') : []
}

const tooltipOf = (spec: Spec<unknown>): string => {
  const { tooltip } = spec.options(() => []) as { readonly tooltip?: string }
  return tooltip ?? ''
}

describe.each(found)('the node $node.definition.type', ({ node, declarations, fault }) => {
  it('says how to try it', () => expect(fault).toBeNull())

  it('says of every knob what it does and costs, and can be switched off', () => {
    const knobs = node.inputs.filter(([, spec]) => !spec.linkOnly)
    const silent = knobs.filter(([, spec]) => !/.{20}/.test(tooltipOf(spec)))
    expect(silent.map(([name]) => name)).toEqual([])
    expect(node.definition.help.length).toBeGreaterThan(30)
    if (knobs.length > 0) expect(knobs.map(([name]) => name)).toContain('enabled')
  })

  it.each(presetsOf(node))(
    'preset %s begins with a full evaluation, or refuses; switched off, it is off',
    async (preset) => {
      const eager = declarations[0]?.eager ?? {}
      const plain = await runFake()
      const off = await runFake({ cache: await configured(node, { ...eager, preset, enabled: false }) })
      expect(off.samples.data).toEqual(plain.samples.data)
      const run = runFake({ cache: await configured(node, { ...eager, preset }) })
      const result = await run.catch((error: unknown) => error)
      if (result instanceof UnmetNeedsError) return
      const { samples, report } = await run
      expect(report.rows[0]!.blocks).toBe(8)
      expect(samples.data.every(Number.isFinite)).toBe(true)
    },
  )
})

describe('several methods in one graph', () => {
  it('run at the same time on one model, each as if it were alone', async () => {
    const runs = await Promise.all(
      declared.flatMap(({ node, declarations }) => declarations.map(({ eager }) => configured(node, eager))),
    )
    const options = (cache: CacheConfiguration, i: number): FakeRunOptions => ({
      cache,
      seed: BigInt(i),
      steps: 12 + i,
    })
    const alone: SamplingResult[] = []
    for (const [i, cache] of runs.entries()) alone.push(await runFake(options(cache, i)))
    const transformer = fakeTransformer()
    const together = await Promise.all(runs.map((cache, i) => runFake({ ...options(cache, i), transformer })))
    expect(together.map(({ samples }) => samples)).toEqual(alone.map(({ samples }) => samples))
    expect(together.map(untimed)).toEqual(alone.map(untimed))
    expect(transformer.blockRows()).toBeCloseTo(
      alone.reduce((sum, { report }) => sum + report.computedBlocks, 0),
      6,
    )
  })
})
