/** The npm client comfy-ui-client against a real server: it queues, follows, fetches the picture, and is told of a cancellation. */
import { ComfyUIClient } from 'comfy-ui-client'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { freshData, remaining, removeData, serve, type TestServer } from '../server/harness.ts'
import { COLOUR, colourOf, endless, picture } from './prompts.ts'

// Starting an engine takes long on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

let server: TestServer
let data: string
let client: ComfyUIClient

beforeAll(async () => {
  data = await freshData()
  server = await serve(data)
  client = new ComfyUIClient(new URL(server.url).host, 'comfy-ui-client')
  await client.connect()
})
afterAll(async () => {
  await client.disconnect()
  await server.stop()
  await removeData(data)
})

it('submits, waits for the end and fetches the picture, also when everything is cached', async () => {
  for (let time = 1; time <= 2; time++) {
    const images = await client.getImages(picture('comfy-ui-client'))
    const [saved] = images['3'] ?? []
    expect(saved?.image).toMatchObject({ subfolder: '', type: 'output' })
    expect(saved?.image.filename).toMatch(/^comfy-ui-client_0000\d_\.png$/)
    expect(await colourOf(await saved!.blob.arrayBuffer())).toEqual(COLOUR)
  }
})

it('cancels, and the queue is empty again', async () => {
  const { prompt_id: id } = await client.queuePrompt(endless())
  while ((await client.getQueue()).queue_running.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  // The client parses the answer, which is empty here as it is in ComfyUI, so its promise fails after the fact.
  await client.interrupt().catch((error: unknown) => expect(error).toBeInstanceOf(SyntaxError))
  while ((await remaining(server.url)) > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  const entry = (await client.getHistory(id))[id]
  expect(JSON.stringify(entry)).toContain('execution_interrupted')
})

it('reads what the server is and what it can do', async () => {
  expect((await client.getSystemStats()).devices).toHaveLength(1)
  expect(await client.getObjectInfo('SaveImage')).toHaveProperty('SaveImage.input.required.images')
  expect(await client.getEmbeddings()).toEqual([])
  expect(await client.getExtensions()).toEqual([])
})
