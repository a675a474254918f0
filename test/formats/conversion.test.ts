/** Conversion of saved workflows where rules meet: nested subgraphs, chains of reroutes and bypasses, exact numbers. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseExact, stringifyExact } from '../../server/json.ts'
import { toPrompt } from '../../formats/workflow/to-prompt.ts'
import classes from '../../server/workflow/reference-classes.json' with { type: 'json' }

const known = {
  Num: { input: { required: { value: ['INT', { default: 7 }] } } },
  Rand: {
    input: {
      required: { seed: ['INT', { default: 0, control_after_generate: true }], steps: ['INT', { default: 20 }] },
    },
  },
  Two: { input: { required: { a: ['INT', {}], b: ['INT', {}] } } },
  Pic: { input: { required: { image: ['IMAGE'], mask: ['MASK'] } } },
}

interface Wire {
  readonly type?: string
  readonly link?: number
  readonly widget?: unknown
}
const input = (name: string, { type = 'INT', link, widget }: Wire = {}) => ({
  name,
  type,
  link: link ?? null,
  ...(widget ? { widget } : {}),
})
const node = (id: number, type: string, inputs: readonly unknown[], more: Readonly<Record<string, unknown>> = {}) => ({
  ...{ id, type, order: id, mode: 0, inputs, outputs: [{ name: 'o', type: 'INT', links: [] }] },
  ...more,
})
type Link = readonly [id: number, from: number, fromSlot: number, to: number, toSlot: number, type?: string]
const asObjects = (links: readonly Link[]) =>
  links.map(([id, origin_id, origin_slot, target_id, target_slot]) => ({
    id,
    origin_id,
    origin_slot,
    target_id,
    target_slot,
    type: 'INT',
  }))
const inputsOf = (workflow: unknown) =>
  Object.fromEntries(Object.entries(toPrompt(workflow, known)).map(([id, { inputs }]) => [id, inputs]))

/** inner: its input 0 goes into Num.value; outer: its input 0 goes into inner's input 0. */
const inner = {
  ...{
    id: 'inner',
    name: 'Inner',
    nodes: [node(1, 'Num', [input('value', { link: 1, widget: { name: 'value' } })], { widgets_values: [1] })],
  },
  links: asObjects([
    [1, -10, 0, 1, 0],
    [2, 1, 0, -20, 0],
  ]),
}
const outer = {
  ...{
    id: 'outer',
    name: 'Outer',
    nodes: [node(5, 'inner', [input('value', { link: 1, widget: { name: 'value' } })], { widgets_values: [2] })],
  },
  links: asObjects([
    [1, -10, 0, 5, 0],
    [2, 5, 0, -20, 0],
  ]),
}
const nested = (widgets_values: unknown, mode = 0) => ({
  nodes: [
    node(9, 'outer', [input('value', { widget: { name: 'value' } })], { widgets_values, mode }),
    node(10, 'Two', [input('a', { link: 3 }), input('b', { widget: { name: 'b' } })], { widgets_values: [0, 4] }),
  ],
  links: [[3, 9, 0, 10, 0, 'INT']] satisfies Link[],
  definitions: { subgraphs: [outer, inner] },
})

describe('conversion', () => {
  it('promotes a widget through two subgraphs, and names nodes by their way in', () => {
    expect(inputsOf(nested([33]))).toEqual({ '9:5:1': { value: 33 }, 10: { a: ['9:5:1', 0], b: 4 } })
    expect(inputsOf(nested([18446744073709551615n]))['9:5:1']).toEqual({ value: 18446744073709551615n })
  })

  it('leaves out a muted subgraph and what it fed; a bypassed one without a link leaves the widget', () => {
    expect(inputsOf(nested([33], 2))).toEqual({ 10: { b: 4 } })
    expect(inputsOf(nested([33], 4))).toEqual({ 10: { a: 0, b: 4 } })
  })

  it('follows reroutes, then a bypassed node, to a primitive behind it', () => {
    const workflow = {
      nodes: [
        node(1, 'PrimitiveNode', [], { widgets_values: [12, 'randomize'] }),
        node(2, 'Reroute', [input('', { type: '*', link: 1 })]),
        node(3, 'Num', [input('value', { link: 2, widget: { name: 'value' } })], { mode: 4, widgets_values: [5] }),
        node(4, 'Reroute', [input('', { type: '*', link: 3 })]),
        node(5, 'Two', [input('a', { link: 4, widget: { name: 'a' } })], { widgets_values: [0, 8] }),
      ],
      links: [
        [1, 1, 0, 2, 0],
        [2, 2, 0, 3, 0],
        [3, 3, 0, 4, 0],
        [4, 4, 0, 5, 0],
      ] satisfies Link[],
    }
    expect(inputsOf({ ...workflow, links: workflow.links.map((link) => [...link, 'INT']) })).toEqual({
      5: { a: 12, b: 8 },
    })
  })

  it('a bypassed node with inputs of several types hands on the one of the asked type', () => {
    const source = (id: number, type: string) => ({ ...node(id, 'Num', []), outputs: [{ name: 'o', type }] })
    const bypassed = node(
      3,
      'Pic',
      [input('image', { type: 'IMAGE', link: 1 }), input('mask', { type: 'MASK', link: 2 })],
      {
        mode: 4,
        outputs: [{ type: 'MASK' }, { type: 'IMAGE' }, { type: 'LATENT' }],
      },
    )
    const pic = node(4, 'Pic', [input('image', { type: 'IMAGE', link: 3 }), input('mask', { type: 'MASK', link: 4 })])
    const links = [
      [1, 1, 0, 3, 0, 'IMAGE'],
      [2, 2, 0, 3, 1, 'MASK'],
      [3, 3, 1, 4, 0, 'IMAGE'],
      [4, 3, 0, 4, 1, 'MASK'],
    ]
    const prompt = inputsOf({ nodes: [source(1, 'IMAGE'), source(2, 'MASK'), bypassed, pic], links })
    expect(prompt['4']).toEqual({ image: ['1', 0], mask: ['2', 0] })
  })

  it('skips the control of a seed only where there is one, and keeps 64 bits', () => {
    const seeded = (values: string) =>
      inputsOf(parseExact(`{"nodes":[{"id":1,"type":"Rand","widgets_values":${values}}],"links":[]}`))['1']
    expect(seeded('[18446744073709551615,"randomize",30]')).toEqual({ seed: 18446744073709551615n, steps: 30 })
    expect(seeded('[9007199254740993,30]')).toEqual({ seed: 9007199254740993n, steps: 30 })
    expect(seeded('[5,"fixed"]')).toEqual({ seed: 5, steps: 20 })
  })

  it('writes what it made with every digit', () => {
    const prompt = toPrompt(
      parseExact('{"nodes":[{"id":2,"type":"Num","widgets_values":[18446744073709551615]}],"links":[]}'),
      known,
    )
    expect(stringifyExact(prompt)).toContain('"value":18446744073709551615')
  })

  it('the given cases in version 0.4 and with links as objects are one', () => {
    const path = join(import.meta.dirname, '../fixtures/workflow-to-prompt-a.json')
    const { cases } = JSON.parse(readFileSync(path, 'utf8')) as {
      cases: Record<string, { workflow: { links: Link[] } }>
    }
    for (const { workflow } of Object.values(cases).filter((one) => Array.isArray(one.workflow.links[0])))
      expect(toPrompt({ ...workflow, links: asObjects(workflow.links) }, classes)).toEqual(toPrompt(workflow, classes))
  })
})
