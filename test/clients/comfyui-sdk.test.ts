/** The npm client @saintno/comfyui-sdk against a real server: it queues, follows, fetches the picture and cancels. */
import { CallWrapper, ComfyApi, PromptBuilder, type ImageInfo } from '@saintno/comfyui-sdk'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { freshData, removeData, serve, type TestServer } from '../server/harness.ts'
import { COLOUR, colourOf, endless, picture } from './prompts.ts'

// Starting an engine takes long on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

let server: TestServer
let data: string
let api: ComfyApi

beforeAll(async () => {
  data = await freshData()
  server = await serve(data)
  api = await new ComfyApi(server.url, 'comfyui-sdk').init().waitForReady()
})
afterAll(async () => {
  api.destroy()
  await server.stop()
  await removeData(data)
})

/** The builder wants what the editor saves: nodes with titles. */
const titled = (prompt: Readonly<Record<string, { class_type: string; inputs: Readonly<Record<string, unknown>> }>>) =>
  Object.fromEntries(Object.entries(prompt).map(([id, node]) => [id, { ...node, _meta: { title: node.class_type } }]))

const builder = (seed: number) =>
  new PromptBuilder(titled(picture('comfyui-sdk', seed)), ['seed'], ['images'])
    .setRawInputNode('seed', '4.inputs.value')
    .setRawOutputNode('images', '3')
    .input('seed', seed)

it('submits, follows progress and fetches the picture', async () => {
  const seen = new Set<string>()
  let last = 0
  const result = await new CallWrapper(api, builder(11))
    .onPending(() => seen.add('pending'))
    .onStart(() => seen.add('start'))
    .onProgress(({ value, max, node }) => {
      expect(node).toBe('5')
      last = value / max
    })
    .onFinished(() => seen.add('finished'))
    .onFailed((error) => seen.add(`failed: ${error.message}`))
    .run()
  expect([...seen]).toEqual(['pending', 'start', 'finished'])
  expect(last).toBeGreaterThan(0.5)
  const { images } = (result as unknown as { images: { images: ImageInfo[] } }).images
  expect(images).toHaveLength(1)
  expect(await colourOf(await (await api.getImage(images[0]!)).arrayBuffer())).toEqual(COLOUR)
})

it('hears why a prompt is refused', async () => {
  const wrong = new PromptBuilder(titled({ 1: { class_type: 'SaveImage', inputs: {} } }), [], ['out'])
  const failures: Error[] = []
  const result = await new CallWrapper(api, wrong.setRawOutputNode('out', '1'))
    .onFailed((error) => failures.push(error))
    .run()
  expect(result === false || result === undefined).toBe(true)
  expect(failures[0]?.name).toBe('EnqueueFailedError')
})

it('cancels a prompt that runs', async () => {
  const failed = new Promise<Error>((resolve) => {
    const call = new CallWrapper(api, new PromptBuilder(titled(endless(12)), [], ['out']).setRawOutputNode('out', '6'))
    call
      .onProgress(() => void api.interrupt())
      .onFailed(resolve)
      .run()
      .catch(resolve)
  })
  expect((await failed).message).toMatch(/interrupt|fail/i)
  for (let tries = 0; tries < 100 && (await api.getQueue()).queue_running.length > 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 50))
  expect((await api.getQueue()).queue_running).toEqual([])
})

it('keeps user files and settings, and reads models and node definitions', async () => {
  await api.storeUserData('workflows/sdk.json', { nodes: [] })
  expect(await (await api.getUserData('workflows/sdk.json')).json()).toEqual({ nodes: [] })
  const listed = await api.listUserDataV2('workflows')
  // This client names the folder `dir`, which ComfyUI does not read here: it gets everything, folders first.
  expect(listed.map(({ name, type }) => [name, type])).toEqual([
    ['subgraphs', 'directory'],
    ['workflows', 'directory'],
    ['sdk.json', 'file'],
  ])
  await api.storeSetting('Sdk.Setting', 5)
  expect(await api.getSetting('Sdk.Setting')).toBe(5)
  expect(await api.getNodeDefs('SaveImage')).toHaveProperty('SaveImage.output_node', true)
  expect((await api.getSamplerInfo()).sampler).toEqual([expect.arrayContaining(['euler']), expect.anything()])
  expect(Array.isArray(await api.getCheckpoints())).toBe(true)
  expect(await api.freeMemory(true, true)).toBe(true)
})
