/** Old group nodes: unfolded into the nodes in them, with the values and links of the group, as the official editor did. */
import { describe, expect, it } from 'vitest'
import { reconcile } from '../../client/model/reconcile.ts'
import { parseWorkflow } from '../../client/model/workflow.ts'
import { toPrompt } from '../../formats/workflow/to-prompt.ts'
import { parseExact } from '../../server/json.ts'
import { fixtureTypes } from '../client/fixture.ts'
import { CLASSES, type Slot, node, loader, encode, latent, sampler, decode, save, reroute } from './groups.ts'

const inputsOf = (nodes: readonly object[], links: readonly unknown[], groupNodes: object) =>
  Object.fromEntries(
    Object.entries(toPrompt({ nodes, links, extra: { groupNodes } }, CLASSES)).map(([id, { inputs }]) => [id, inputs]),
  )
const at = (id: number, one: object) => ({ id, order: id, ...one })

describe('a whole workflow in a group', () => {
  const whole = {
    nodes: [latent, loader, encode('old'), encode('old'), sampler, decode, save],
    links: [
      [1, 1, 2, 0, 4, 'CLIP'],
      [1, 1, 3, 0, 4, 'CLIP'],
      [1, 0, 4, 0, 4, 'MODEL'],
      [2, 0, 4, 1, 6, 'CONDITIONING'],
      [3, 0, 4, 2, 7, 'CONDITIONING'],
      [0, 0, 4, 3, 5, 'LATENT'],
      [4, 0, 5, 0, 3, 'LATENT'],
      [1, 2, 5, 1, 4, 'VAE'],
      [5, 0, 6, 0, 8, 'IMAGE'],
    ],
    external: [],
  }
  const values = [512, 768, 'b', 'good', 'bad', 18446744073709551615n, 'fixed', 7, 'out']
  const expected = {
    '10:0': { width: 512, height: 768 },
    '10:1': { name: 'b' },
    '10:2': { text: 'good', clip: ['10:1', 1] },
    '10:3': { text: 'bad', clip: ['10:1', 1] },
    '10:4': {
      ...{ seed: 18446744073709551615n, steps: 7, strength: 1 },
      ...{ model: ['10:1', 0], positive: ['10:2', 0], negative: ['10:3', 0], latent: ['10:0', 0] },
    },
    '10:5': { samples: ['10:4', 0], vae: ['10:1', 2] },
    '10:6': { prefix: 'out', images: ['10:5', 0] },
  }

  it.each(['workflow/all', 'workflow>all'])('%s: nodes named by their place, with the values of the group', (type) => {
    expect(inputsOf([at(10, node(type, [], [], values))], [], { all: whole })).toEqual(expected)
  })

  it('values that the group does not have are those of its nodes', () => {
    const inputs = inputsOf([at(10, node('workflow/all', [], [], values.slice(0, 3)))], [], { all: whole })
    expect([inputs['10:1'], inputs['10:3'], inputs['10:6']]).toMatchObject([
      { name: 'b' },
      { text: 'old' },
      { prefix: 'x' },
    ])
  })

  it('a muted or bypassed group is gone, so is a muted node in one; a group that is not there is an unknown class', () => {
    for (const mode of [2, 4])
      expect(inputsOf([at(10, node('workflow/all', [], [], values, { mode }))], [], { all: whole })).toEqual({})
    const muted = { ...whole, nodes: whole.nodes.map((one, i) => (i === 2 ? { ...one, mode: 2 } : one)) }
    const inputs = inputsOf([at(10, node('workflow/all', [], [], values))], [], { all: muted })
    expect(inputs['10:2']).toBeUndefined()
    expect(inputs['10:4']).not.toHaveProperty('positive')
    const none = toPrompt({ nodes: [at(10, node('workflow/none', [], []))], links: [] }, CLASSES)
    expect(none['10']).toEqual({ inputs: {}, _meta: { title: 'workflow/none' } })
  })

  it('the editor shows it as a node that it knows, and keeps its data', () => {
    const file = {
      nodes: [at(10, node('workflow>all', [['clip', 'CLIP']], [], values))],
      links: [],
      extra: { groupNodes: { all: whole } },
    }
    const workflow = parseWorkflow(file)
    expect(reconcile(workflow, fixtureTypes()).nodes[0]).toMatchObject({ known: true, widgets_values: values })
    expect(workflow.extra).toEqual(file.extra)
  })

  it('a text with seeds of 64 bits keeps every digit', () => {
    const text = `{"nodes":[{"id":1,"type":"workflow/s"}],"links":[],"extra":{"groupNodes":{"s":{"nodes":[
      {"type":"Sampler","widgets_values":[9007199254740993,"fixed",3]}],"links":[]}}}}`
    expect(toPrompt(parseExact(text), CLASSES)['1:0']?.inputs).toMatchObject({ seed: 9007199254740993n, steps: 3 })
  })
})

describe('what goes in and out of a group', () => {
  const names = ['clip', 'Encode clip', 'Encode 2 clip']
  const three = { nodes: [encode('1'), encode('2'), encode('3')], links: [], external: [] }

  it('inputs and outputs of several nodes of one class are told apart', () => {
    const group = node(
      'workflow/three',
      names.map((name, i): Slot => [name, 'CLIP', i === 0 ? undefined : i]),
      ['CONDITIONING', 'CONDITIONING', 'CONDITIONING'],
      ['x', 'y', 'z'],
    )
    const target = node(
      'Sampler',
      [
        ['positive', 'CONDITIONING', 3],
        ['negative', 'CONDITIONING', 4],
      ],
      ['LATENT'],
      [1, 'fixed', 2],
    )
    const links = [
      [1, 1, 1, 2, 1, 'CLIP'],
      [2, 1, 1, 2, 2, 'CLIP'],
      [3, 2, 2, 3, 0, 'CONDITIONING'],
      [4, 2, 0, 3, 1, 'CONDITIONING'],
    ]
    expect(inputsOf([at(1, loader), at(2, group), at(3, target)], links, { three })).toMatchObject({
      '2:0': { text: 'x' },
      '2:1': { text: 'y', clip: ['1', 1] },
      '2:2': { text: 'z', clip: ['1', 1] },
      3: { positive: ['2:2', 0], negative: ['2:0', 0] },
    })
  })

  it('outputs that a node of the group takes are not shown unless others take them too, or the settings say so', () => {
    const pair = (external: readonly unknown[], config: object = {}) => ({
      nodes: [sampler, decode],
      links: [[0, 0, 1, 0, 5, 'LATENT']],
      external,
      config,
    })
    const first = (external: readonly unknown[], config?: object) => {
      const sink = node('Decode', [['samples', 'LATENT', 1]], ['IMAGE'])
      return inputsOf([at(1, node('workflow/p', [], ['X', 'Y'])), at(2, sink)], [[1, 1, 0, 2, 0, '*']], {
        p: pair(external, config),
      })['2']
    }
    expect(first([])).toEqual({ samples: ['1:1', 0] })
    expect(first([[0, 0, 'LATENT']])).toEqual({ samples: ['1:0', 0] })
    expect(first([[0, 0, 'LATENT']], { 0: { output: { 0: { visible: false } } } })).toEqual({ samples: ['1:1', 0] })
  })

  it('inputs that the settings hide or rename', () => {
    const config = {
      0: { input: { clip: { visible: false } } },
      1: { input: { clip: { name: 'tokens' }, text: { name: 'words' } } },
    }
    const group = node(
      'workflow/three',
      [
        ['tokens', 'CLIP', 1],
        ['words', 'STRING', 2, true],
      ],
      [],
      ['x', 'y', 'z'],
    )
    const source = node('Words', [], ['STRING'])
    const links = [
      [1, 1, 1, 2, 0, 'CLIP'],
      [2, 3, 0, 2, 1, 'STRING'],
    ]
    expect(
      inputsOf([at(1, loader), at(2, group), at(3, source)], links, { three: { ...three, config } }),
    ).toMatchObject({
      '2:0': { text: 'x' },
      '2:1': { text: ['3', 0], clip: ['1', 1] },
    })
  })

  it('widgets that were turned into sockets come last, in the group as in its values', () => {
    const turned = node('Latent', [['height', 'INT', undefined, true]], ['LATENT'], [64, 64])
    const group = node('workflow/t', [['height', 'INT', 1, true]], [], [128, 'words', 256])
    const groups = { t: { nodes: [turned, encode('old')], links: [], external: [] } }
    const primitive = node('PrimitiveNode', [], ['INT'], [96, 'fixed'])
    expect(inputsOf([at(1, primitive), at(2, group)], [[1, 1, 0, 2, 0, 'INT']], groups)).toEqual({
      '2:0': { width: 128, height: 96 },
      '2:1': { text: 'words' },
    })
    expect(
      inputsOf([at(2, node('workflow/t', [['height', 'INT', undefined, true]], [], [128, 'words', 256]))], [], groups)[
        '2:0'
      ],
    ).toEqual({
      ...{ width: 128, height: 256 },
    })
  })

  it('reroutes at the edge and within, and a primitive whose value the group holds', () => {
    const groups = {
      r: {
        nodes: [
          reroute,
          encode('old'),
          node('PrimitiveNode', [], ['INT'], [5, 'fixed'], { title: 'Size' }),
          node('Latent', [['width', 'INT', undefined, true]], ['LATENT'], [64, 64]),
          decode,
          reroute,
        ],
        links: [
          [0, 0, 1, 0, 1, 'CLIP'],
          [2, 0, 3, 0, 3, 'INT'],
          [3, 0, 4, 0, 4, 'LATENT'],
          [4, 0, 5, 0, 5, 'IMAGE'],
        ],
        external: [[5, 0, 'IMAGE']],
      },
    }
    const group = node(
      'workflow/r',
      [
        ['CLIP', 'CLIP', 1],
        ['vae', 'VAE', 2],
      ],
      ['CONDITIONING', 'IMAGE'],
      ['words', 320, 'fixed', 640],
    )
    const sink = node('Save', [['images', 'IMAGE', 3]], [], ['x'])
    const links = [
      [1, 1, 1, 2, 0, 'CLIP'],
      [2, 1, 2, 2, 1, 'VAE'],
      [3, 2, 1, 3, 0, 'IMAGE'],
    ]
    expect(inputsOf([at(1, loader), at(2, group), at(3, sink)], links, groups)).toEqual({
      1: { name: 'a' },
      '2:1': { text: 'words', clip: ['1', 1] },
      '2:3': { width: 320, height: 640 },
      '2:4': { samples: ['2:3', 0], vae: ['1', 2] },
      3: { prefix: 'x', images: ['2:4', 0] },
    })
  })

  it('a group in a group, and one that contains itself', () => {
    const inner = { nodes: [encode('old')], links: [], external: [] }
    const outer = {
      nodes: [node('workflow/inner', [['clip', 'CLIP']], ['CONDITIONING'], ['middle'])],
      links: [],
      external: [],
    }
    const instance = node('workflow>outer', [['clip', 'CLIP', 1]], ['CONDITIONING'], ['outermost'])
    expect(inputsOf([at(1, loader), at(2, instance)], [[1, 1, 1, 2, 0, 'CLIP']], { inner, outer })).toMatchObject({
      '2:0:0': { text: 'outermost', clip: ['1', 1] },
    })
    const loop = { nodes: [node('workflow/loop', [], [])], links: [] }
    expect(() => inputsOf([at(1, node('workflow/loop', [], []))], [], { loop })).toThrow(
      /group node 'loop' contains itself/,
    )
  })

  it('faults of a group are named', () => {
    expect(() => inputsOf([at(1, encode('x'))], [], { bad: { nodes: [{}] } })).toThrow(
      /extra\.groupNodes\.bad\.nodes\.0\.type/,
    )
  })
})
