/** AutoencoderKL in the units of the VAE port: pixels 0..1, latents as the sampler has them. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { maxAbsDifference } from '../../../diffusion/check/shared/compare.ts'
import type { OpenedAutoencoder } from '../../../diffusion/families/vae/kind.ts'
import { openAutoencoder } from '../../../diffusion/families/vae/open.ts'
import { readTensors } from '../../../diffusion/onnx/weights.ts'
import { concatRows, row, tensor } from '../../../diffusion/tensor.ts'

const dir = join(import.meta.dirname, '../../fixtures/parity/vae-kl16-a')

describe('KlAutoencoder', () => {
  let vae: OpenedAutoencoder
  beforeAll(async () => {
    vae = await openAutoencoder(dir)
  })
  afterAll(() => vae.release())

  it('decodes scaled latents to pixels in 0..1', async () => {
    const inputs = await readTensors(join(dir, 'inputs.safetensors'))
    const outputs = await readTensors(join(dir, 'outputs.safetensors'))
    const raw = inputs['latent']!
    const latent = { ...raw, data: raw.data.map((z) => (z - 0.1159) * 0.3611) }
    const pixels = await vae.decode(latent)
    expect(pixels.shape).toEqual([1, 20, 16, 3])
    const reference = outputs['decode.sample']!
    for (const [c, y, x] of [
      [0, 0, 0],
      [1, 7, 3],
      [2, 19, 15],
    ] as const) {
      const expected = Math.min(1, Math.max(0, reference.data[(c * 20 + y) * 16 + x]! / 2 + 0.5))
      expect(pixels.data[(y * 16 + x) * 3 + c]).toBeCloseTo(expected, 5)
    }
  })

  it('clamps, and takes batches and sizes of its own', async () => {
    const wild = tensor(
      new Float32Array(2 * 16 * 3 * 5).map((_, i) => 40 * Math.sin(i * i)),
      [2, 16, 3, 5],
    )
    const pixels = await vae.decode(wild)
    expect(pixels.shape).toEqual([2, 6, 10, 3])
    expect(Math.min(...pixels.data)).toBe(0)
    expect(Math.max(...pixels.data)).toBe(1)
    const singles = concatRows([await vae.decode(row(wild, 0)), await vae.decode(row(wild, 1))])
    expect(maxAbsDifference(pixels, singles)).toBeLessThan(1e-5)
  })

  it('refuses pictures whose sides it cannot halve, and latents of another model', async () => {
    expect([vae.factor, vae.channels]).toEqual([2, 16])
    await expect(vae.encode(tensor(new Float32Array(3 * 5 * 4), [1, 5, 4, 3]))).rejects.toThrow(/multiples of 2/)
    await expect(vae.decode(tensor(new Float32Array(4), [1, 4, 1, 1]))).rejects.toThrow(/expected \[B, 16, h, w\]/)
  })
})

describe('the names of old checkpoints', () => {
  it('are found', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vae-'))
    await cp(dir, folder, { recursive: true })
    const file = join(folder, 'diffusion_pytorch_model.safetensors')
    const bytes = await readFile(file)
    // Renamed in place: the header keeps its length when the new keys are padded with spaces at its end.
    const length = Number(bytes.readBigUInt64LE(0))
    const header = bytes.subarray(8, 8 + length).toString()
    const renamed = header
      .replaceAll('.to_q.', '.query.')
      .replaceAll('.to_k.', '.key.')
      .replaceAll('.to_v.', '.value.')
      .replaceAll('.to_out.0.', '.proj_attn.')
    const grown = Buffer.from(renamed)
    const prefix = Buffer.alloc(8)
    prefix.writeBigUInt64LE(BigInt(grown.length))
    await writeFile(file, Buffer.concat([prefix, grown, bytes.subarray(8 + length)]))
    const [old, now] = [await openAutoencoder(folder), await openAutoencoder(dir)]
    const latent = tensor(
      new Float32Array(16 * 4).map((_, i) => Math.cos(i)),
      [1, 16, 2, 2],
    )
    expect(await old.decode(latent)).toEqual(await now.decode(latent))
    await old.release()
    await now.release()
    await rm(folder, { recursive: true })
  })
})
