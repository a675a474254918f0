/** A published npm client against a real server: it queues, waits and fetches as it does with ComfyUI. */
import { ComfyUIClient } from 'comfy-ui-client'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { node, serveFresh, type TestServer } from './harness.ts'

let server: TestServer

beforeAll(async () => {
  server = await serveFresh()
})
afterAll(() => server.end())

it('uploads, runs a workflow of our own nodes, and gets the picture', async () => {
  const client = new ComfyUIClient(new URL(server.url).host, 'npm-client')
  await client.connect()
  const bytes = await sharp({ create: { width: 24, height: 16, channels: 3, background: '#a04020' } })
    .png()
    .toBuffer()
  const uploaded = (await client.uploadImage(bytes, 'sample.png')) as unknown as { name: string }
  expect(uploaded.name).toBe('sample.png')
  const prompt = {
    1: node('LoadImage', { image: 'sample.png' }),
    2: node('SaveImage', { images: ['1', 0], filename_prefix: 'from-npm' }),
  }
  const images = await client.getImages(prompt)
  const picture = images['2']![0]!
  expect(picture.image).toEqual({ filename: 'from-npm_00001_.png', subfolder: '', type: 'output' })
  const decoded = sharp(Buffer.from(await picture.blob.arrayBuffer()))
  expect(await decoded.metadata()).toMatchObject({ format: 'png', width: 24, height: 16 })
  expect([...(await decoded.raw().toBuffer()).subarray(0, 3)]).toEqual([0xa0, 0x40, 0x20])
  const stats = await client.getSystemStats()
  expect(stats.devices).toHaveLength(1)
  expect((await client.getQueue()).queue_running).toEqual([])
  await client.disconnect()
})
