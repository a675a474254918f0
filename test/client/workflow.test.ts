/** Opening workflow files: checks, old forms, broken links, placeholders and API prompts. */
import { describe, expect, it } from 'vitest'
import { fromPrompt } from '../../client/model/from-prompt.ts'
import { reconcile } from '../../client/model/reconcile.ts'
import { parseWorkflow, WorkflowError } from '../../client/model/workflow.ts'
import { toPrompt } from '../../formats/workflow/to-prompt.ts'
import { fixtureTypes, readFixture } from './fixture.ts'

const types = fixtureTypes()
const sampler = {
  id: 3,
  type: 'KSampler',
  inputs: [{ name: 'latent_image', type: 'LATENT', link: 5 }],
  outputs: [{ name: 'LATENT', type: 'LATENT', links: [] }],
}
const latent = { id: 1, type: 'EmptyLatentImage', outputs: [{ name: 'LATENT', type: 'LATENT', links: [5] }] }

describe('workflow files', () => {
  it('says every fault and where it stands', () => {
    const broken = { nodes: [{ id: 1 }, { id: {}, type: 'X' }], links: [] }
    expect(() => parseWorkflow(broken)).toThrow(WorkflowError)
    expect(() => parseWorkflow(broken)).toThrow(/nodes\.0\.type[\s\S]*nodes\.1\.id/)
  })

  it('keeps known keys only, in fresh objects', () => {
    const file = JSON.parse(
      '{"nodes":[{"id":1,"type":"KSampler","__proto__":{"polluted":1},"onDrawForeground":"x","properties":{"__proto__":{"polluted":1},"a":1}}],"links":[]}',
    ) as { nodes: object[] }
    const [node] = parseWorkflow(file).nodes
    expect(node).not.toBe(file.nodes[0])
    expect(node).not.toHaveProperty('onDrawForeground')
    expect(node!.properties).toEqual({ a: 1 })
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it('brings links to the sockets that the class has today', () => {
    const graph = reconcile(parseWorkflow({ nodes: [latent, sampler], links: [[5, 1, 0, 3, 0, 'LATENT']] }), types)
    const node = graph.nodes.find(({ id }) => id === 3)!
    const slot = node.inputs.findIndex((input) => input.name === 'latent_image')
    expect(slot).toBe(3)
    expect(graph.links).toEqual([{ id: 5, from: 1, fromSlot: 0, to: 3, toSlot: slot, type: 'LATENT' }])
    expect(node.inputs[slot]!.link).toBe(5)
    expect(node.inputs.find((input) => input.name === 'steps')?.widget).toEqual({ name: 'steps' })
  })

  it('drops links that lead nowhere and those that come second', () => {
    const links = [
      [5, 1, 0, 3, 0, 'LATENT'],
      [6, 1, 0, 3, 0, 'LATENT'],
      [7, 99, 0, 3, 0, 'LATENT'],
      [8, 1, 7, 3, 0, 'LATENT'],
      [5, 1, 0, 3, 0, 'LATENT'],
    ]
    expect(reconcile(parseWorkflow({ nodes: [latent, sampler], links }), types).links.map(({ id }) => id)).toEqual([5])
  })

  it('gives whole-number ids to texts and repeated ids', () => {
    const nodes = ['a', 1, 1, '7'].map((id) => ({ id, type: 'Note' }))
    const ids = reconcile(parseWorkflow({ nodes, links: [] }), types).nodes.map(({ id }) => id)
    expect(ids).toEqual([8, 1, 9, 7])
  })

  it('keeps the data of a class that the server does not have', () => {
    const strange = {
      id: 1,
      type: 'Strange',
      widgets_values: [1, 'x'],
      inputs: [{ name: 'in', type: 'FOO', link: null }],
    }
    const [node] = reconcile(parseWorkflow({ nodes: [strange], links: [] }), types).nodes
    expect(node).toMatchObject({ known: false, type: 'Strange', widgets_values: [1, 'x'] })
    const primitive = { id: 2, type: 'PrimitiveNode', widgets_values: [7, 'fixed'] }
    const sound = reconcile(parseWorkflow({ nodes: [primitive], links: [] }), types)
    expect(sound.nodes[0]).toMatchObject({ known: true, widgets_values: [7, 'fixed'] })
    expect(node!.inputs.map((input) => input.name)).toEqual(['in'])
  })
})

describe('API prompts', () => {
  const prompt = {
    '1': { class_type: 'EmptyLatentImage', inputs: { width: 64, height: 64, batch_size: 1 } },
    '2': {
      class_type: 'KSampler',
      inputs: { latent_image: ['1', 0], seed: 18446744073709551615n, steps: 4 },
      _meta: { title: 'Mine' },
    },
    '5': { class_type: 'Strange', inputs: { x: ['2', 0], y: 3 } },
  }

  it('are opened, laid out left to right, and converted back to the same prompt', () => {
    const workflow = fromPrompt(prompt, types)
    const [first, second, third] = workflow.nodes
    expect(first!.pos[0]).toBeLessThan(second!.pos[0])
    expect(second!.pos[0]).toBeLessThan(third!.pos[0])
    const links = workflow.links.map((l) => [l.id, l.from, l.fromSlot, l.to, l.toSlot, l.type])
    const back = toPrompt({ ...workflow, links }, readFixture('object-info.json') as object)
    expect(back['1']!.inputs).toEqual(prompt['1'].inputs)
    expect(back['2']).toMatchObject({
      inputs: { latent_image: ['1', 0], seed: 18446744073709551615n, steps: 4 },
      _meta: { title: 'Mine' },
    })
    expect(back['5']).toEqual({ inputs: { x: ['2', 0] }, _meta: { title: 'Strange' } })
  })

  it('are told from other JSON', () => {
    for (const other of [[], null, { a: 1 }, { a: { inputs: {} } }])
      expect(() => fromPrompt(other, types)).toThrow('neither a workflow nor an API prompt')
  })
})
