/** What ComfyUI's own execution tests pin, over HTTP and WebSocket against a real server: one per cache mode. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Graph, run, submit, type Placed } from './graph.ts'
import { image, list, mask, mix, save, SIZE } from './stubs.ts'
import { Client, EXECUTION_PACK, freshData, get, removeData, serve, type TestServer } from './harness.ts'

describe.each([
  { mode: 'classic', args: ['--cache-classic'], keeps: true },
  { mode: 'lru', args: ['--cache-lru', '100'], keeps: true },
  { mode: 'none', args: ['--cache-none'], keeps: false },
  { mode: 'memory', args: ['--cache-ram', '0.01'], keeps: true },
])('execution, cache mode $mode', ({ mode, args, keeps }) => {
  let server: TestServer
  let client: Client
  let data: string
  let graph: Graph
  let count = 0

  beforeAll(async () => {
    data = await freshData()
    server = await serve(data, [...args, '--cpu', '--extra-model-paths-config', 'nothing.yaml'], EXECUTION_PACK)
    client = await Client.connect(server, `client-${mode}`)
    await get(server.url, '/object_info')
  })
  afterAll(async () => {
    client.close()
    await server.stop()
    await removeData(data)
  })
  const start = () => (graph = new Graph(`test[${mode}-${++count}]`))
  const go = (targets?: readonly Placed[]) => run(server, client, graph, targets)

  it('runs lazy inputs only when they are needed', async () => {
    start()
    const [black, white, by] = [image(graph, 'BLACK'), image(graph, 'WHITE'), mask(graph, 0)]
    const mixed = mix(graph, black, white, by)
    const output = save(graph, mixed)
    const result = await go()
    expect(await result.pictures(output)).toEqual([[0, 0]])
    expect([black, by, mixed].every((node) => result.ran(node))).toBe(true)
    expect(result.ran(white)).toBe(false)
  })

  it('keeps results, and those of nodes that a change does not reach', async () => {
    start()
    const nodes = [image(graph, 'BLACK'), image(graph, 'NOISE'), mask(graph, 0.5)] as const
    const mixed = mix(graph, ...nodes)
    const output = save(graph, mixed)
    await go()
    const again = await go()
    for (const node of [...nodes, mixed, output]) expect(again.ran(node)).toBe(!keeps)
    for (const node of [...nodes, mixed, output]) expect(again.cached(node)).toBe(keeps)
    expect(await again.pictures(output)).toHaveLength(1)
    nodes[2].inputs['value'] = 0.4
    const changed = await go()
    expect([changed.ran(nodes[0]), changed.ran(nodes[1]), changed.ran(nodes[2])]).toEqual([!keeps, !keeps, true])
  })

  it('tells of a failure with the prompt, and keeps what was done before it', async () => {
    start()
    const black = image(graph, 'BLACK')
    const mixed = mix(graph, black, image(graph, 'NOISE', { ...SIZE, height: 8 }), mask(graph, 0.5))
    save(graph, mixed)
    const { error } = await go()
    expect(error).toMatchObject({ node_id: mixed.id, node_type: 'TestLazyMixImages', exception_type: 'Error' })
    const again = await go()
    expect(again.error).toMatchObject({ node_id: mixed.id })
    expect(again.cached(black)).toBe(keeps)
  })

  it('tells of a ring that comes up while it runs, on the node that made it', async () => {
    start()
    const [black, white] = [image(graph, 'BLACK', { ...SIZE, height: 512, width: 512 }), image(graph, 'WHITE')]
    const ring = graph.node('TestDynamicDependencyCycle', { input1: black.out(0), input2: white.out(0) })
    save(graph, ring)
    expect((await go()).error).toMatchObject({ node_id: ring.id, exception_type: 'graph.DependencyCycleError' })
  })

  it('runs the outputs that are fine when another lacks a node, and all once it is back', async () => {
    start()
    const [black, white, by] = [image(graph, 'BLACK'), image(graph, 'WHITE'), mask(graph, 0.5)]
    const lost = image(graph, 'WHITE')
    const outputs = [save(graph, mix(graph, black, lost, by)), save(graph, mix(graph, black, white, by))] as const
    const removed = graph.prompt[lost.id]!
    Reflect.deleteProperty(graph.prompt, lost.id)
    const partly = await go()
    expect([await partly.pictures(outputs[0]), await partly.pictures(outputs[1])]).toEqual([[], [[127, 127]]])
    graph.prompt[lost.id] = removed
    expect(await (await go()).pictures(outputs[0])).toEqual([[127, 127]])
  })

  it('asks fingerprints: false holds, NaN never; they see literals alone', async () => {
    start()
    const output = graph.node('SaveImage')
    const node = graph.node('TestCustomIsChanged', { should_change: false })
    output.inputs['images'] = node.out(0)
    node.inputs['image'] = image(graph, 'BLACK').out(0)
    const ran = [(await go()).ran(node), (await go()).ran(node)]
    node.inputs['should_change'] = true
    ran.push((await go()).ran(node), (await go()).ran(node))
    expect(ran).toEqual([true, !keeps, true, true])

    start()
    const grey = graph.node('StubConstantImage', { value: 0.5, ...SIZE })
    const scaled = graph.node('TestIsChangedWithConstants', { image: grey.out(0), value: 0.5 })
    const shown = graph.node('PreviewImage', { images: scaled.out(0) })
    expect(await (await go()).pictures(shown)).toEqual([[63, 63]])
    const again = await go()
    expect(await again.pictures(shown)).toEqual([[63, 63]])
    expect(again.ran(scaled)).toBe(!keeps)
  })

  it('hands undeclared links on to nodes that take them', async () => {
    start()
    const average = graph.node('TestVariadicAverage', {
      ...Object.fromEntries(
        ['BLACK', 'WHITE', 'BLACK', 'BLACK'].map((content, i) => [
          `input${i + 1}`,
          image(graph, content as 'BLACK').out(0),
        ]),
      ),
      note: 'a literal that nobody declared',
    })
    const output = save(graph, average)
    expect(await (await go()).pictures(output)).toEqual([[63, 63]])
  })

  it('loops by expansion', async () => {
    start()
    const [black, white] = [image(graph, 'BLACK'), image(graph, 'WHITE')]
    const changing = graph.node('TestCustomIsChanged', { should_change: true, image: white.out(0) })
    const open = graph.node('TestForLoopOpen', { initial_value1: changing.out(0) })
    const average = graph.node('TestVariadicAverage', { input1: black.out(0), input2: open.out(2) })
    const close = graph.node('TestForLoopClose', { flow_control: open.out(0), initial_value1: average.out(0) })
    const output = save(graph, close)
    for (let rounds = 1; rounds <= 4; rounds++) {
      open.inputs['remaining'] = rounds
      const result = await go()
      expect(result.error).toBeUndefined()
      const value = Math.floor(255 / 2 ** rounds)
      expect(await result.pictures(output)).toEqual([[value, value]])
      expect(result.ran(changing)).toBe(true)
    }
  })

  it('maps over lists: plain and expanding calls mixed, lazy inputs per element, order kept', async () => {
    start()
    const mixed = graph.node('TestMixedExpansionReturns', { input1: list(graph, 0.1, 0.2, 0.3).out(0) })
    const outputs = [save(graph, mixed, 0), save(graph, mixed, 1)] as const
    const result = await go()
    expect(await result.pictures(outputs[0])).toEqual([
      [25, 25],
      [51, 51],
      [76, 76],
    ])
    expect(await result.pictures(outputs[1])).toEqual(Array(3).fill([255, 255]))

    start()
    const by = mask(graph, list(graph, 0, 0.5, 1).out(0))
    const all = mix(graph, image(graph, 'BLACK'), image(graph, 'WHITE'), by)
    const rebatched = graph.node('RebatchImages', { images: all.out(0), batch_size: 3 })
    const output = save(graph, rebatched)
    expect(await (await go()).pictures(output)).toEqual([
      [0, 0],
      [127, 127],
      [255, 255],
    ])
  })

  it('feeds several outputs from one node', async () => {
    start()
    const black = image(graph, 'BLACK')
    const outputs = [save(graph, black), save(graph, black)] as const
    const result = await go()
    for (const output of outputs) expect(await result.pictures(output)).toHaveLength(1)
  })

  it('blocks single elements of a list', async () => {
    start()
    const pictures = list(
      graph,
      ...(['BLACK', 'WHITE', 'BLACK'] as const).map((content) => image(graph, content).out(0)),
    )
    const numbers = list(graph, ...[1, 2, 3].map((value) => graph.node('StubInt', { value }).out(0)))
    const isTwo = graph.node('TestIntConditions', { a: numbers.out(0), b: 2, operation: '==' })
    const blocker = graph.node('TestExecutionBlocker', { input: pictures.out(0), block: isTwo.out(0), verbose: false })
    const through = list(graph, blocker.out(0))
    const output = graph.node('PreviewImage', { images: through.out(0) })
    const result = await go()
    expect(result.ran(output)).toBe(true)
    expect(await result.pictures(output)).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  it('tells of a block that has a message, once, and goes on', async () => {
    start()
    const blocker = graph.node('TestExecutionBlocker', {
      input: image(graph, 'BLACK').out(0),
      block: true,
      verbose: true,
    })
    const through = graph.node('TestVariadicAverage', { input1: blocker.out(0) })
    const output = save(graph, through)
    const result = await go()
    const errors = client.log.filter(({ type, data: d }) => type === 'execution_error' && d['prompt_id'] === result.id)
    expect(errors).toHaveLength(1)
    expect(errors[0]?.data).toMatchObject({ node_id: through.id, exception_type: 'ExecutionBlocked' })
    expect(errors[0]?.data).not.toHaveProperty('timestamp')
    expect(client.story(result.id)).toContain('execution_success')
    expect(await result.pictures(output)).toEqual([])
  })

  it('runs only the targets of a partial execution and what they need', async () => {
    start()
    const [black, white, noise] = [image(graph, 'BLACK'), image(graph, 'WHITE'), image(graph, 'NOISE')]
    const lazy = mix(graph, black, white, mask(graph, 0))
    const scaled = graph.node('TestOutputNodeWithSocketOutput', { image: black.out(0), value: 2 })
    const outputs = [save(graph, lazy), save(graph, white), save(graph, noise), save(graph, scaled)] as const
    const one = await go([outputs[0]])
    const done = (node: Placed) => one.ran(node) || one.cached(node)
    expect([done(outputs[0]), one.ran(white), one.ran(outputs[1]), one.ran(noise), one.ran(scaled)]).toEqual([
      true,
      ...Array<boolean>(4).fill(false),
    ])
    expect(await one.pictures(outputs[0])).toHaveLength(1)
    const two = await go([outputs[2], outputs[3]])
    const needed = [outputs[2], noise, outputs[3], scaled]
    expect(needed.map((node) => two.ran(node) || two.cached(node))).toEqual(Array(4).fill(true))
    expect([two.ran(outputs[1]), two.ran(white)]).toEqual([false, false])
    const { status, json } = await submit(server, graph, { partial_execution_targets: [] })
    expect([status, json.error.type]).toEqual([400, 'prompt_no_outputs'])
  })

  it('a cached output is in the history also of a prompt without a client', async () => {
    start()
    const output = save(graph, image(graph, 'BLACK'))
    await go()
    const { json } = await submit(server, graph)
    await expect
      .poll(async () => {
        const { json: entries } = await get(server.url, `/history/${json.prompt_id}`)
        return Object.keys((entries as unknown as Record<string, { outputs: object }>)[json.prompt_id]?.outputs ?? {})
      })
      .toEqual([output.id])
  })
})
