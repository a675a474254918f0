/** Workflow to API prompt, against what ComfyUI's own editor makes of the same files. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { resolveChoices } from '../../formats/workflow/choices.ts'
import { bypassInput, toPrompt, type Prompt } from '../../formats/workflow/to-prompt.ts'
import { readFixture } from '../client/fixture.ts'

const classes = readFixture('object-info.json') as object
const { cases } = readFixture('workflow-to-prompt.json') as {
  cases: Record<string, { workflow: unknown; api: unknown }>
}
const bare = (prompt: Prompt): unknown =>
  Object.fromEntries(Object.entries(prompt).map(([id, { _meta, ...rest }]) => [id, rest]))

const convert = (workflow: unknown): unknown => bare(toPrompt(workflow, classes))

describe('conversion', () => {
  it.each(Object.keys(cases))('%s', (name) => {
    expect(convert(cases[name]!.workflow)).toEqual(cases[name]!.api)
  })

  it('covers all cases of the fixture', () => {
    expect(Object.keys(cases).length).toBe(13)
  })

  const link = (from: number, to: number): unknown[] => [from, from, 0, to, 0, 'INT']
  const add = (id: number, mode: number, input: number | null) => ({
    id,
    type: 'BenchAdd',
    mode,
    inputs: [{ name: 'a', type: 'INT', link: input, widget: { name: 'a' } }],
    outputs: [{ name: 'INT', type: 'INT', links: [id] }],
    widgets_values: [10 * id, 1],
  })

  it('follows two bypassed nodes in a row, and falls back to the widget when nothing is behind them', () => {
    const source = {
      id: 1,
      type: 'BenchConst',
      outputs: [{ name: 'INT', type: 'INT', links: [1] }],
      widgets_values: [4],
    }
    const nodes = [source, add(2, 4, 1), add(3, 4, 2), add(4, 0, 3)]
    expect(convert({ nodes, links: [link(1, 2), link(2, 3), link(3, 4)] })).toMatchObject({
      4: { inputs: { a: ['1', 0] } },
    })
    expect(convert({ nodes: nodes.slice(1), links: [link(2, 3), link(3, 4)] })).toMatchObject({
      4: { inputs: { a: 40 } },
    })
  })

  it('passes a bypassed node by the same slot, else by the exact type, else by a fitting one', () => {
    const inputs = ['IMAGE', 'MASK', 'IMAGE', 'IMAGE,LATENT'].map((type) => ({ name: type, type }))
    const chosen = (slot: number, type: string): number => bypassInput(inputs, slot, type)
    expect([chosen(2, 'IMAGE'), chosen(1, 'IMAGE'), chosen(0, 'LATENT'), chosen(0, 'MODEL')]).toEqual([2, 0, 3, -1])
  })

  it('keeps a 64-bit seed exact', () => {
    const node = {
      id: 1,
      type: 'KSampler',
      widgets_values: [18446744073709551615n, 'fixed', 20, 8, 'euler', 'simple', 1],
    }
    expect(convert({ nodes: [node], links: [] })).toMatchObject({
      1: { inputs: { seed: 18446744073709551615n, steps: 20 } },
    })
  })

  it('wraps a list so that it is not taken for a link, and leaves out classes that are not there, which the title names', () => {
    const nodes = [
      { id: 1, type: 'BenchConst', widgets_values: [['1', 0]] },
      { id: 2, type: 'NoSuchNode', widgets_values: [1] },
    ]
    expect(convert({ nodes, links: [] })).toEqual({
      1: { class_type: 'BenchConst', inputs: { value: { __value__: ['1', 0] } } },
      2: { inputs: {} },
    })
    expect(toPrompt({ nodes, links: [] }, classes)['2']?._meta.title).toBe('NoSuchNode')
  })

  it('resolves choices inside prompts, nested ones too, and leaves other braces alone', () => {
    const last = (count: number): number => count - 1
    const first = (): number => 0
    expect(resolveChoices('a {red|{dark|light} blue} house', last)).toBe('a light blue house')
    expect(resolveChoices('a {red|blue} {big |}house', first)).toBe('a red big house')
    expect(resolveChoices('open { and \\{a\\|b\\} {x', last)).toBe('open { and {a|b} {x')
    const node = { id: 1, type: 'CLIPTextEncode', widgets_values: ['{same|same}'] }
    expect(convert({ nodes: [node], links: [] })).toMatchObject({ 1: { inputs: { text: 'same' } } })
    // Processor time, since others may keep the cores busy.
    const began = process.cpuUsage()
    for (const hostile of ['{', '{|', '{a|b}', '}']) resolveChoices(hostile.repeat(50_000))
    resolveChoices(`${'{'.repeat(50_000)}${'}'.repeat(50_000)}`)
    expect(process.cpuUsage(began).user).toBeLessThan(1_000_000)
    fc.assert(
      fc.property(fc.string(), (text) => resolveChoices(text.replace(/[{}|\\]/g, '')) === text.replace(/[{}|\\]/g, '')),
    )
  })

  it('names a subgraph that contains itself instead of running out of stack', () => {
    const definition = {
      id: 'loop',
      name: 'Loop',
      nodes: [{ id: 1, type: 'loop' }],
      links: [],
      inputs: [],
      outputs: [],
    }
    const workflow = { nodes: [{ id: 1, type: 'loop' }], links: [], definitions: { subgraphs: [definition] } }
    expect(() => convert(workflow)).toThrow(/nested more than 50 deep: one contains itself/)
  })
})
