/** Files and values that belong to another model: the message says what they are and what to do. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDiffusionModel } from '../../../diffusion/families/checkpoint.ts'
import { openAutoencoder } from '../../../diffusion/families/vae/open.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')
let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'heddle-wrong-'))
})
afterAll(() => rm(base, { recursive: true, force: true }))

/** A copy of a fixture's weights alone, cut after `bytes`. */
async function loose(path: string, bytes = Infinity): Promise<string> {
  const copy = join(base, path.replaceAll('/', '-'))
  await mkdir(dirname(copy), { recursive: true })
  await writeFile(copy, (await readFile(join(fixtures, path))).subarray(0, bytes))
  return copy
}

describe('a file opened as a diffusion model', () => {
  it.each([
    ['vae-kl-a/diffusion_pytorch_model.safetensors', /looks like an autoencoder, which belongs into vae\//],
    ['vae-wan-a/diffusion_pytorch_model.safetensors', /looks like an autoencoder/],
    ['t5-v11-a/model.safetensors', /looks like a text encoder, which belongs into text_encoders\//],
    ['clip-l-a/model.safetensors', /looks like a text encoder/],
  ])('that is %s', async (path, message) => {
    await expect(openDiffusionModel(await loose(path))).rejects.toThrow(message)
  })

  it('that was cut short asks for a whole download', async () => {
    const path = 'sd3-a/diffusion_pytorch_model.safetensors'
    await expect(openDiffusionModel(await loose(path, 100))).rejects.toThrow(/of 100 bytes; is the download whole\?/)
    await expect(openDiffusionModel(await loose(path, 200_000))).rejects.toThrow(/a file cut short\?/)
  })
})

describe('latents of another model', () => {
  it.each(['vae-kl-a', 'vae-wan-a', 'vae-hunyuan-a', 'taesd-a'])(
    'are refused by %s, with what to do',
    async (folder) => {
      const autoencoder = await openAutoencoder(join(fixtures, folder))
      const latent = { data: new Float32Array(3 * 4), shape: [1, 3, 2, 2] }
      await expect(autoencoder.decode(latent)).rejects.toThrow(
        /latents are \[1, 3, 2, 2\], expected \[B, .*Load the autoencoder/,
      )
    },
  )
})
