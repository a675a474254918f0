/** TAESD from the author's files, one by one or together, from diffusers' folder, and as the previews of a run. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import type { DiffusionModel, LatentFormat } from '../../../diffusion/families/contract.ts'
import { openAutoencoder } from '../../../diffusion/families/vae/open.ts'
import { openTaesd } from '../../../diffusion/families/vae/taesd.ts'
import { taesdFor } from '../../../diffusion/families/vae/taesd-names.ts'
import { readTensors } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import { tensor } from '../../../diffusion/tensor.ts'
import { watched } from '../../../nodes/sampling-run.ts'
import { sketched } from '../../../server/engine/taesd.ts'
import { listFiles } from '../../../server/store/model-folders.ts'
import { fakeModel, fakeTransformer } from '../../fixtures/fake-model.ts'
import { context } from '../../nodes/context.ts'
import { encodeSafetensors } from '../onnx/encode-safetensors.ts'

const dir = join(import.meta.dirname, '../../fixtures/parity/taesd-a')
let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'taesd-'))
  const approximate = join(root, 'vae_approx')
  await mkdir(approximate)
  const tensors = Object.entries(await readTensors(join(dir, 'diffusion_pytorch_model.safetensors')))
  const save = (name: string, renamed: (key: string) => string | null) =>
    writeFile(
      join(approximate, name),
      encodeSafetensors(
        Object.fromEntries(
          tensors.flatMap(([key, { shape, data }]) => {
            const to = renamed(key)
            return to === null ? [] : [[to, { shape, data: [...data] }]]
          }),
        ),
      ),
    )
  // The author's decoder counts the squashing of the latent as its layer 0.
  const authors = (key: string): string =>
    key.replace(/^(en|de)coder\.layers\.(\d+)/, (_, side: string, at: string) =>
      String(Number(at) + (side === 'de' ? 1 : 0)),
    )
  await save('taesd_encoder.safetensors', (key) => (key.startsWith('encoder.') ? authors(key) : null))
  await save('taesd_decoder.safetensors', (key) => (key.startsWith('decoder.') ? authors(key) : null))
  await save('taesdxl.safetensors', (key) => `taesd_${key.slice(0, 7)}.${authors(key)}`)
})
afterAll(() => rm(root, { recursive: true }))

const approximate = (name: string): string => join(root, 'vae_approx', name)
const latent = normalNoise(1n, [2, 4, 3, 5])
const pixels = tensor(
  normalNoise(2n, [1, 8, 12, 3]).data.map((value) => Math.min(1, Math.max(0, 0.5 + value / 4))),
  [1, 8, 12, 3],
)

describe('TAESD', () => {
  it("is the same from the author's files, from one file, and from diffusers' folder", async () => {
    const all = [
      await openAutoencoder(dir),
      await openTaesd([dir]),
      await openTaesd([approximate('taesd_encoder.safetensors'), approximate('taesd_decoder.safetensors')]),
      await openTaesd([approximate('taesdxl.safetensors')]),
    ]
    expect(all.map(({ factor, channels }) => [factor, channels])).toEqual(all.map(() => [4, 4]))
    const [decoded, encoded] = [await all[0]!.decode(latent), await all[0]!.encode(pixels)]
    expect([decoded.shape, encoded.shape]).toEqual([
      [2, 12, 20, 3],
      [1, 4, 2, 3],
    ])
    for (const one of all) {
      expect(await one.decode(latent)).toEqual(decoded)
      expect(await one.encode(pixels)).toEqual(encoded)
      await one.release()
    }
  })

  it('serves one way where only one side is there', async () => {
    const decoder = await openTaesd([approximate('taesd_decoder.safetensors')])
    expect((await decoder.decode(latent)).shape).toEqual([2, 12, 20, 3])
    await expect(decoder.encode(pixels)).rejects.toThrow(/no encoder/)
    const encoder = await openTaesd([approximate('taesd_encoder.safetensors')])
    expect([encoder.channels, encoder.factor]).toEqual([4, 4])
    await expect(encoder.decode(latent)).rejects.toThrow(/no decoder/)
    await expect(encoder.encode(latent)).rejects.toThrow(/expected \[B, H, W, 3\]/)
    for (const one of [decoder, encoder]) await one.release()
  })

  it('refuses other weights', async () => {
    await expect(openTaesd([join(dir, '../vae-kl-a')])).rejects.toThrow(/vae-kl-a: no TAESD/)
  })

  it('is chosen by the scaling of the latents', () => {
    const at = (channels: number, scale: number) => taesdFor({ channels, scaling: { scale, shift: 0 } })
    expect([at(4, 0.18215), at(4, 0.13025), at(16, 1.5305), at(16, 0.3611)]).toEqual([
      'taesd',
      'taesdxl',
      'taesd3',
      'taef1',
    ])
    expect([at(16, 0.18215), at(4, 1), taesdFor({ channels: 4 })]).toEqual([null, null, null])
  })
})

describe('in vae_approx', () => {
  const modelOf = (scale: number): DiffusionModel => ({
    ...fakeModel(fakeTransformer()),
    latent: { channels: 4, factor: 8, scaling: { scale, shift: 0 }, rgb: null },
  })

  it('it is offered as an autoencoder by its name', async () => {
    expect(listFiles([root], { input: root, output: root, temp: root }, 'vae')).toEqual(['taesd', 'taesdxl'])
    const lone = join(root, 'lone')
    await mkdir(join(lone, 'vae_approx'), { recursive: true })
    await cp(approximate('taesd_encoder.safetensors'), join(lone, 'vae_approx/taesd_encoder.safetensors'))
    expect(listFiles([lone], { input: root, output: root, temp: root }, 'vae')).toEqual([])
  })

  it('it draws the previews of models whose latents it knows, and of no others', async () => {
    expect(sketched(modelOf(1), [root]).model.latent.sketch).toBeUndefined()
    const drawing = sketched(modelOf(0.18215), [root])
    const sent: (readonly [Uint8Array, number, number])[] = []
    const shown = new Promise<void>((resolve) => {
      const { report } = context(root)
      const { onStep } = watched(drawing.model.latent, {
        ...report,
        preview(rgb, width, height) {
          sent.push([rgb, width, height])
          resolve()
        },
      })
      onStep(1, 2, latent)
      // The first is still being drawn.
      onStep(2, 2, latent)
    })
    await shown
    const taesd = await openTaesd([dir])
    const expected = await taesd.decode(tensor(latent.data.slice(0, 60), [1, 4, 3, 5]))
    expect(sent.map(([, width, height]) => [width, height])).toEqual([[20, 12]])
    const drawn = tensor(
      Float32Array.from(sent[0]![0], (byte) => byte / 255),
      expected.shape,
    )
    expect(maxAbsDifference(drawn, expected)).toBeLessThan(1 / 254)
    await taesd.release()
    await drawing.release()
  })

  it('previews go on without it when it cannot be opened', async () => {
    const told: string[] = []
    let previews = 0
    const rgb = { weights: Array.from({ length: 4 }, () => [1, 0, 0]), bias: [0, 0, 0] }
    const format: LatentFormat = { channels: 4, factor: 8, rgb, sketch: () => Promise.reject(new Error('broken file')) }
    const { report } = context(root)
    const { onStep } = watched(format, { ...report, warn: (message) => told.push(message), preview: () => previews++ })
    onStep(1, 3, latent)
    await new Promise((resolve) => setTimeout(resolve, 120))
    onStep(2, 3, latent)
    expect(told).toEqual([expect.stringContaining('broken file')])
    expect(previews).toBe(1)
  })
})
