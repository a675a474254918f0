/** Pictures under the names that editors give them: with the folder at the end, as a mask editor leaves them in a node. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { Client, freshData, removeData, serve, type TestServer } from '../server/harness.ts'

// Starting an engine takes long on a busy machine.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

let server: TestServer
let data: string
beforeAll(async () => {
  data = await freshData()
  server = await serve(data)
})
afterAll(async () => {
  await server.stop()
  await removeData(data)
})

const png = (colour: string, alpha: number) =>
  sharp({ create: { width: 4, height: 2, channels: 4, background: { ...sharpColour(colour), alpha } } })
    .png()
    .toBuffer()
const sharpColour = (hex: string) => ({
  r: parseInt(hex.slice(1, 3), 16),
  g: parseInt(hex.slice(3, 5), 16),
  b: parseInt(hex.slice(5, 7), 16),
})

/** Loads a picture by a name and saves it again. */
const loading = (image: string, prefix: string) => ({
  1: { class_type: 'LoadImage', inputs: { image } },
  2: { class_type: 'SaveImage', inputs: { images: ['1', 0], filename_prefix: prefix } },
})
const post = (prompt: unknown) =>
  fetch(`${server.url}/api/prompt`, { method: 'POST', body: JSON.stringify({ prompt, client_id: 'x' }) })

async function firstPixel(file: string): Promise<number[]> {
  const bytes = await (await fetch(`${server.url}/api/view?filename=${encodeURIComponent(file)}`)).arrayBuffer()
  return [...(await sharp(Buffer.from(bytes)).removeAlpha().raw().toBuffer()).subarray(0, 3)]
}

it('loads what was uploaded under its name with the folder behind it, in a subfolder too', async () => {
  const client = await Client.connect(server, 'files')
  const form = new FormData()
  form.set('image', new Blob([new Uint8Array(await png('#204060', 0.5))]), 'painted.png')
  form.set('subfolder', 'clipspace')
  const answer = await (await fetch(`${server.url}/api/upload/image`, { method: 'POST', body: form })).json()
  const { name, subfolder, type } = z
    .object({ name: z.string(), subfolder: z.string(), type: z.string() })
    .parse(answer)
  const id = await client.queue(loading(`${subfolder}/${name} [${type}]`, 'uploaded'))
  await client.ended(id)
  expect(client.event(id, 'execution_success')).toBeDefined()
  expect(await firstPixel('uploaded_00001_.png [output]')).toEqual([0x20, 0x40, 0x60])
  client.close()
})

it('loads results and temporary files by such names, and not others of the same name', async () => {
  const client = await Client.connect(server, 'folders')
  const colours = { input: '#101010', output: '#a0b0c0', temp: '#d0e0f0' }
  for (const [folder, colour] of Object.entries(colours)) {
    await mkdir(join(data, folder), { recursive: true })
    await writeFile(join(data, folder, 'same.png'), await png(colour, 1))
  }
  for (const [folder, colour] of Object.entries(colours)) {
    const id = await client.queue(loading(`same.png [${folder}]`, `from-${folder}`))
    await client.ended(id)
    expect(await firstPixel(`from-${folder}_00001_.png`)).toEqual(Object.values(sharpColour(colour)))
  }
  client.close()
})

it.each(['gone.png [output]', 'same.png [models]', '../same.png [temp]', '../output/same.png [input]', ' [output]'])(
  'refuses %s, at its node',
  async (image) => {
    const answer = await post(loading(image, 'never'))
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ node_errors: { 1: { errors: [{ type: 'value_not_in_list' }] } } })
  },
)
