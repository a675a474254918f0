/** Prompts that cannot run: every fault is named in one answer, nothing is queued, and the server goes on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chain, entryOf, node, post, remaining, serveFresh, type TestServer } from './harness.ts'

let server: TestServer

beforeAll(async () => {
  server = await serveFresh()
})
afterAll(() => server.end())

const refused = async (prompt: unknown, more: Readonly<Record<string, unknown>> = {}) => {
  const answer = await post(server.url, '/prompt', { prompt, ...more })
  expect(answer.status, answer.text).toBe(400)
  return answer.json
}

describe('a prompt is refused', () => {
  it('without a prompt, without nodes, without outputs', async () => {
    expect((await post(server.url, '/prompt', {})).json.error.type).toBe('no_prompt')
    expect((await refused({})).error.type).toBe('prompt_no_outputs')
    expect((await refused({ 1: node('TestConst', { value: 1 }) })).error.type).toBe('prompt_no_outputs')
    expect((await refused([1, 2])).error.type).toBe('invalid_prompt')
    expect((await refused({ 1: 'x' })).error.type).toBe('invalid_prompt')
    expect((await refused(chain(1), { partial_execution_targets: [] })).error.type).toBe('prompt_no_outputs')
  })

  it('for node types that are not there, naming each', async () => {
    const { error, node_errors } = await refused({
      ...chain(1),
      7: node('NoSuchNode'),
      8: { inputs: {}, _meta: { title: 'Lost one' } },
    })
    expect(error).toMatchObject({ type: 'missing_node_type', extra_info: { node_id: '7', class_type: 'NoSuchNode' } })
    expect(error.message).toContain('NoSuchNode')
    expect(Object.keys(node_errors)).toEqual(['7', '8'])
    expect(JSON.stringify(node_errors['8'])).toContain("Node 'Lost one' has no class_type")
  })

  it('with every fault of every node at once', async () => {
    const { error, node_errors } = await refused({
      1: node('TestConst', { value: 'abc' }),
      2: node('TestAdd', { a: ['1', 0] }),
      3: node('TestAdd', { a: ['2', 0], b: 5_000_000_000 }),
      4: node('TestShow', { value: ['3', 0] }),
      5: node('TestSave', { value: ['9', 0], noise_seed: -1, filename_prefix: ['3', 0] }),
      6: node('TestShow', { value: ['1', 4] }),
      7: node('TestShow', { value: [1, 2, 3] }),
      8: node('TestShow', { value: 12 }),
    })
    expect(error.type).toBe('prompt_outputs_failed_validation')
    const found = Object.fromEntries(
      Object.entries(node_errors).map(([id, { errors }]) => [
        id,
        errors.map(({ type, extra_info }) => `${type} ${String(extra_info.input_name)}`),
      ]),
    )
    expect(found).toEqual({
      1: ['invalid_input_type value'],
      2: ['required_input_missing b'],
      3: ['value_bigger_than_max b'],
      5: ['bad_linked_input value', 'value_smaller_than_min noise_seed', 'return_type_mismatch filename_prefix'],
      6: ['bad_linked_input value'],
      7: ['bad_linked_input value'],
      8: ['required_input_missing value'],
    })
    expect(node_errors['1']!.dependent_outputs).toEqual(expect.arrayContaining(['4', '5', '6']))
  })

  it('for a cycle, with its path', async () => {
    const { node_errors } = await refused({
      1: node('TestAdd', { a: ['2', 0], b: 1 }),
      2: node('TestAdd', { a: ['1', 0], b: 1 }),
      3: node('TestShow', { value: ['2', 0] }),
    })
    expect(node_errors['1']!.errors[0]!.type).toBe('dependency_cycle')
    expect(node_errors['2']!.errors[0]!.details).toMatch(/1 -> 2 -> 1|2 -> 1 -> 2/)
    const self = await refused({ 1: node('TestAdd', { a: ['1', 0], b: 1 }), 3: node('TestShow', { value: ['1', 0] }) })
    expect(self.node_errors['1']!.errors[0]!.type).toBe('dependency_cycle')
  })

  it('when the body is no JSON, too deep, or would touch prototypes', async () => {
    for (const body of [
      '{"prompt":',
      '{"prompt":{"1":{"class_type":"TestConst","inputs":{"value":NaN}}}}',
      `{"prompt":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
    ])
      expect((await post(server.url, '/prompt', body)).json.error.type).toBe('invalid_json')
    for (const body of [
      '{"prompt":{"__proto__":{"class_type":"TestConst"}}}',
      '{"prompt":{},"extra_data":{"\\u005f_proto__":{"polluted":1}}}',
    ])
      expect((await post(server.url, '/prompt', body)).status).toBe(400)
    const { error } = await refused({ constructor: node('toString'), prototype: node('hasOwnProperty') })
    expect(error.type).toBe('missing_node_type')
    expect(
      (await refused({ 1: node('TestShow', { value: ['constructor', 0] }) })).node_errors['1']!.errors[0]!.type,
    ).toBe('bad_linked_input')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it('for numbers that are none, with the node and the input where JSON can say them', async () => {
    for (const number of ['NaN', 'Infinity', '-Infinity', '01', '1e', '0x10']) {
      const body = `{"prompt":{"1":{"class_type":"TestConst","inputs":{"value":${number}}}}}`
      expect((await post(server.url, '/prompt', body)).json.error.type, number).toBe('invalid_json')
    }
    for (const number of ['1e999', '-1e999']) {
      const nodes = `"1":{"class_type":"TestConst","inputs":{"value":${number}}},"2":{"class_type":"TestShow","inputs":{"value":["1",0]}}`
      const { status, json } = await post(server.url, '/prompt', `{"prompt":{${nodes}}}`)
      expect([status, json.node_errors['1']?.errors[0]?.extra_info.input_name], number).toEqual([400, 'value'])
    }
  })

  it('for halves of surrogate pairs in ids, classes, names and values, each with its place', async () => {
    const half = '\ud800'
    const { error, node_errors } = await refused({
      ...chain(1),
      4: node('TestShow', { value: ['2', 0], note: `a${half}`, fine: '\ud83d\ude00' }),
      5: node('TestShow', { value: ['2', 0], list: { __value__: [1, [half]] }, [`n${half}`]: 1 }),
      [`6${half}`]: node('TestShow', { value: ['2', 0] }),
      7: node(`Test${half}`),
    })
    expect(error.type).toBe('invalid_text')
    const found = Object.values(node_errors).map(({ errors }) =>
      errors.map(({ type, extra_info }) => [type, extra_info.input_name]),
    )
    expect(found).toEqual([
      [['invalid_text', 'note']],
      [
        ['invalid_text', 'list'],
        ['invalid_text', `n${half}`],
      ],
      expect.arrayContaining([
        ['invalid_text', undefined],
        ['missing_node_type', undefined],
      ]),
      [['invalid_text', undefined]],
    ])
    expect(
      (
        await post(server.url, '/prompt', {
          prompt: { ...chain(1), 4: node('TestShow', { value: ['2', 0], note: '😀' }) },
        })
      ).status,
    ).toBe(200)
  })

  it('for names that stand twice in the text, and ids that stand twice in a workflow', async () => {
    const one = '"class_type":"TestConst","inputs":{"value":1}'
    for (const [body, place] of [
      [`{"prompt":{"1":{${one}},"1":{${one}}}}`, 'prompt.1'],
      [`{"prompt":{"1":{${one},"class_type":"TestShow"}}}`, 'prompt.1.class_type'],
      [`{"prompt":{"1":{"class_type":"TestConst","inputs":{"value":1,"v\\u0061lue":2}}}}`, 'prompt.1.inputs.value'],
    ] as const) {
      const { status, json } = await post(server.url, '/prompt', body)
      expect([status, json.error.type]).toEqual([400, 'invalid_json'])
      expect(json.error.message).toContain(`twice in one object: ${place}`)
    }
    const widget = { type: 'TestConst', inputs: [], outputs: [], widgets_values: [1] }
    const { error } = await refused({
      nodes: [
        { id: 1, ...widget },
        { id: 1, ...widget },
      ],
      links: [],
      version: 0.4,
    })
    expect(error.message).toMatch(/nodes\.1\.id: another node has the id 1/)
  })

  it('whatever else is wrong with some nodes, those of no shape and of no class are named with the faults of the others', async () => {
    const { error, node_errors } = await refused({
      a: 5,
      b: null,
      c: { class_type: 'TestConst', inputs: [1] },
      d: node('NoSuchNode'),
      e: { inputs: {} },
      f: node('TestAdd', { a: ['a', 0], b: 'x' }),
      g: node('TestShow', { value: ['f', 0] }),
      h: node('TestShow', { value: ['nowhere', 0] }),
    })
    expect(error.type).toBe('invalid_prompt')
    const found = Object.entries(node_errors).map(([id, { errors }]) => [id, ...errors.map(({ type }) => type)])
    expect(Object.fromEntries(found.map(([id = '', ...types]) => [id, types]))).toEqual({
      a: ['invalid_prompt'],
      b: ['invalid_prompt'],
      c: ['invalid_prompt'],
      d: ['missing_node_type'],
      e: ['missing_node_type'],
      f: ['invalid_input_type'],
      h: ['bad_linked_input'],
    })
  })

  it('of thousands of nodes in rings within rings, of lists without end, and of one huge text: soon, with a short answer', async () => {
    const count = 8_000
    const rings: Record<string, unknown> = { out: node('TestShow', { value: ['0', 0] }) }
    for (let i = 0; i < count; i++) rings[i] = node('TestAdd', { a: [String((i + 1) % count), 0], b: ['0', 0] })
    const bodies = [
      JSON.stringify({ prompt: rings }),
      `{"prompt":{"1":{"class_type":"TestConst","inputs":{"value":[${'[],'.repeat(5_000_000)}1]}}}}`,
      JSON.stringify({
        prompt: { 1: node('TestConst', { value: 'x'.repeat(20_000_000) }), 2: node('TestShow', { value: ['1', 0] }) },
      }),
    ]
    for (const body of bodies) {
      const began = performance.now()
      const answer = await post(server.url, '/prompt', body)
      expect(answer.status).toBe(400)
      expect(answer.text.length).toBeLessThan(10_000_000)
      // A second on a machine that does nothing else.
      expect(performance.now() - began).toBeLessThan(10_000)
    }
  })

  it('of 100 MB, and none of it is kept', async () => {
    const answer = await post(server.url, '/prompt', 'x'.repeat(100 << 20))
    expect(answer.status).toBe(413)
  })

  it('that names prototypes at any level, or what is not there, and nothing is queued', async () => {
    const good = '"class_type":"TestConst","inputs":{"value":1}'
    const bodies = [
      `{"__proto__":{"x":1},"prompt":{"1":{${good}}}}`,
      `{"prompt":{"1":{"__proto__":{"x":1},${good}}}}`,
      '{"prompt":{"1":{"class_type":"TestShow","inputs":{"__proto__":{"x":1},"value":["1",0]}}}}',
      '{"prompt":{"1":{"class_type":"TestShow","inputs":{"value":{"__proto__":{"x":1}}}}}}',
      '{"prompt":{"1":{"class_type":"__proto__","inputs":{}}}}',
      '{"prompt":{"1":{"class_type":"constructor","inputs":{}}}}',
      '{"prompt":{"1":{"class_type":"TestShow","inputs":{"value":["__proto__",0]}}}}',
      '{"prompt":{"1":{"class_type":"TestShow","inputs":{"value":["1","constructor"]}}}}',
      '{"prompt":{"1":{"class_type":"TestShow","inputs":{"value":["2",1e999]}}}}',
      '{"prompt":{"1":{"class_type":"TestShow","inputs":{"value":["2",-1]}},"2":{"inputs":{}}}}',
      '{"prompt":{"1":{"class_type":"TestShow","inputs":[]}}}',
      '{"prompt":{"1":{"class_type":7,"inputs":{}}}}',
      '{"prompt":{"\\ud800":{"class_type":"\\udfff","inputs":{}}}}',
    ]
    for (const body of bodies) {
      const { status, json } = await post(server.url, '/prompt', body)
      expect([status, typeof json.error.type], body).toEqual([400, 'string'])
    }
    expect(await remaining(server.url)).toBe(0)
    expect((await post(server.url, '/prompt', { prompt: chain(12) })).status).toBe(200)
  })

  it('with 100,000 nodes, at once', async () => {
    const prompt: Record<string, unknown> = {}
    for (let i = 0; i < 100_000; i++) prompt[i] = node('TestConst', { value: i })
    const body = JSON.stringify({ prompt })
    const started = Date.now()
    const answer = await post(server.url, '/prompt', body)
    expect([answer.status, answer.json.error.type]).toEqual([400, 'prompt_too_large'])
    expect(Date.now() - started).toBeLessThan(2500)
  })
})

it('outputs that are fine run although another is not', async () => {
  const answer = await post(server.url, '/prompt', {
    prompt: { ...chain(5), 9: node('TestShow', { value: ['nowhere', 0] }) },
  })
  expect(answer.status).toBe(200)
  expect(Object.keys(answer.json.node_errors)).toEqual(['9'])
  expect((await entryOf(server.url, answer.json.prompt_id)).outputs).toEqual({ 3: { text: ['6'] } })
})

it('literals are coerced, and a prompt of 100 kB is nothing special', async () => {
  const prompt = {
    1: node('TestConst', { value: '7' }),
    2: node('TestFail', { value: ['1', 0], message: 'x'.repeat(100_000) }),
    3: node('TestShow', { value: ['1', 0] }),
  }
  const { status, json } = await post(server.url, '/prompt', { prompt, prompt_id: 'my-own-id' })
  expect([status, json.prompt_id]).toEqual([200, 'my-own-id'])
  const entry = await entryOf(server.url, 'my-own-id')
  expect(entry.prompt[2]['1']!.inputs['value']).toBe(7)
  expect(entry.prompt[2]['2']!.inputs['message']).toHaveLength(100_000)
  expect((await post(server.url, '/prompt', { prompt, prompt_id: 'my-own-id' })).status).toBe(409)
})

it('after all that nothing is queued, and a good prompt runs', async () => {
  expect(await remaining(server.url)).toBe(0)
  expect((await post(server.url, '/prompt', { prompt: chain(77) })).status).toBe(200)
})
