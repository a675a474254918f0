/** What ComfyUI's own execution tests pin of validation: which literals, links and rings are refused, and how. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { float, Graph, run, submit } from './graph.ts'
import { Client, EXECUTION_PACK, get, serveFresh, type TestServer } from './harness.ts'
import { image, mask, mix, save, SIZE } from './stubs.ts'

let server: TestServer
let client: Client
let graph: Graph
let count = 0

beforeAll(async () => {
  server = await serveFresh([], EXECUTION_PACK)
  client = await Client.connect(server)
  await get(server.url, '/object_info')
})
afterAll(async () => {
  client.close()
  await server.end()
})

const start = () => (graph = new Graph(`checks-${++count}`))
const go = () => run(server, client, graph)
const refused = async () => {
  const { status, json } = await submit(server, graph)
  expect(status).toBe(400)
  return json
}

it.each([
  [5, true],
  ['foo', true],
  [float(5), false],
])('a literal %s: refused %s', async (value, isRefused) => {
  start()
  save(graph, graph.node('TestCustomValidation1', { input1: value, input2: float(3) }))
  if (isRefused) expect((await refused()).error.type).toBe('prompt_outputs_failed_validation')
  else expect((await go()).error).toBeUndefined()
})

it.each([
  ['TestCustomValidation1', 'StubInt', true],
  ['TestCustomValidation1', 'StubMask', true],
  ['TestCustomValidation1', 'StubFloat', false],
  ['TestCustomValidation2', 'StubInt', true],
  ['TestCustomValidation2', 'StubFloat', false],
  ['TestCustomValidation3', 'StubInt', true],
  ['TestCustomValidation3', 'StubFloat', false],
  ['TestCustomValidation4', 'StubInt', true],
  ['TestCustomValidation4', 'StubFloat', false],
])('%s fed by %s: refused %s', async (type, source, isRefused) => {
  start()
  const stub = graph.node(source, { value: source === 'StubMask' ? 0.5 : 5, ...(source === 'StubMask' ? SIZE : {}) })
  const node = graph.node(type, { input1: stub.out(0), input2: float(3) })
  save(graph, node)
  if (!isRefused) {
    expect((await go()).error).toBeUndefined()
    return
  }
  const { node_errors } = await refused()
  const own = type === 'TestCustomValidation2' || type === 'TestCustomValidation3'
  expect(node_errors[node.id]?.errors.map(({ type: kind }) => kind)).toEqual([
    own ? 'custom_validation_failed' : 'return_type_mismatch',
  ])
})

it.each([
  [0.5, false],
  [5, false],
  [7, true],
])('a range that the node decides about itself, %s: refused %s', async (value, isRefused) => {
  start()
  const node = graph.node('TestCustomValidation5', { input1: 0, input2: value })
  save(graph, node)
  if (!isRefused) {
    expect((await go()).error).toBeUndefined()
    return
  }
  // One error per input that it checks.
  const { errors } = (await refused()).node_errors[node.id]!
  expect(errors.map(({ type, extra_info }) => `${type} ${String(extra_info.input_name)}`)).toEqual([
    'custom_validation_failed input1',
    'custom_validation_failed input2',
  ])
})

it('refuses a missing input, and a ring that is there from the start', async () => {
  start()
  const [black, by] = [image(graph, 'BLACK'), mask(graph, 0.5)]
  const first = graph.node('TestLazyMixImages', { image1: black.out(0), mask: by.out(0) })
  const second = mix(graph, first, black, by)
  save(graph, second)
  expect((await refused()).node_errors[first.id]?.errors[0]?.type).toBe('required_input_missing')
  first.inputs['image2'] = second.out(0)
  expect((await refused()).node_errors[first.id]?.errors[0]?.type).toBe('dependency_cycle')
})

it('an optional input that is left out has its default, a prompt from before it existed still runs', async () => {
  for (const [inputs, value] of [
    [{}, 127],
    [{ scale: float(1) }, 255],
    [{ mask: 0 }, 0],
  ] as const) {
    start()
    const by = 'mask' in inputs ? { mask: mask(graph, float(inputs.mask)).out(0) } : inputs
    const scaled = graph.node('TestOmittedOptionalInput', { image: image(graph, 'WHITE').out(0), ...by })
    const saved = save(graph, scaled)
    expect(await (await go()).pictures(saved)).toEqual([[value, value]])
  }
})
