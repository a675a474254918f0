/** The npm client @stable-canvas/comfyui-client against a real server: it queues, follows, fetches the picture and cancels. */
import { Client as Canvas } from '@stable-canvas/comfyui-client'
import { WebSocket } from 'ws'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { freshData, removeData, serve, type TestServer } from '../server/harness.ts'
import { COLOUR, colourOf, endless, picture } from './prompts.ts'

// Starting an engine takes long on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

let server: TestServer
let data: string
let client: Canvas

beforeAll(async () => {
  data = await freshData()
  server = await serve(data)
  client = new Canvas({ api_host: new URL(server.url).host, clientId: 'stable-canvas', WebSocket, fetch })
  const connected = new Promise<void>((resolve) => client.on('connected', () => resolve()))
  void client.connect()
  await connected
})
afterAll(async () => {
  client.disconnect()
  await server.stop()
  await removeData(data)
})

async function fetched(output: { images: readonly unknown[] }): Promise<number[]> {
  const [image] = output.images as ({ type: 'url'; data: string } | { type: 'buff'; data: ArrayBuffer })[]
  if (!image) throw new Error('no picture came')
  return colourOf(image.type === 'buff' ? image.data : await (await fetch(image.data)).arrayBuffer())
}

it('submits, follows progress over the socket and fetches the picture', async () => {
  let last = 0
  const states: string[] = []
  client.on('progress_state', ({ nodes }) => states.push(...Object.values(nodes).map(({ state }) => state)))
  const output = await client.enqueue(picture('stable-canvas', 21), {
    progress: ({ value, max }) => {
      last = value / max
    },
  })
  expect(last).toBeGreaterThan(0.5)
  expect(new Set(states)).toEqual(new Set(['running', 'finished']))
  expect(await fetched(output)).toEqual(COLOUR)
})

it('submits and waits by polling', async () => {
  const output = await client.enqueue_polling(picture('polled', 22), { polling_ms: 50, timeout_ms: 20_000 })
  expect(await fetched(output)).toEqual(COLOUR)
})

it('cancels what runs and what waits', async () => {
  const running = await client._enqueue_prompt(endless(23))
  const waiting = await client._enqueue_prompt(endless(24))
  while (!(await client.getPromptStatus(running.prompt_id)).running) await new Promise((done) => setTimeout(done, 20))
  expect(await client.getPromptStatus(waiting.prompt_id)).toMatchObject({ pending: true })
  const interrupted = new Promise((resolve) => client.on('execution_interrupted', resolve))
  await client.deleteItem('queue', waiting.prompt_id)
  await client.interrupt(running.prompt_id)
  expect(await interrupted).toMatchObject({ prompt_id: running.prompt_id, node_id: '5' })
  for (let tries = 0; tries < 100 && (await client.getQueue()).Running.length > 0; tries++)
    await new Promise((done) => setTimeout(done, 50))
  const { Running, Pending } = await client.getQueue()
  expect([Running, Pending]).toEqual([[], []])
})

it('hears why a prompt is refused, and reads nodes and models', async () => {
  await expect(client._enqueue_prompt({ 1: { class_type: 'SaveImage', inputs: {} } })).rejects.toThrow()
  expect(await client.getNodeDefs()).toHaveProperty('SaveImage')
  expect(await client.getSamplers()).toContain('euler')
  expect(await client.getSchedulers()).toContain('normal')
  expect((await client.getModelFolders()).map(({ name }) => name)).toContain('checkpoints')
})
