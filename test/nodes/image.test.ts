/** Picture nodes: files that carry their workflow, loading them back, stitching, comparing. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { psnr, ssim } from '../../diffusion/metrics.ts'
import { tensor, type Tensor } from '../../diffusion/tensor.ts'
import { readTexts } from '../../formats/metadata/read.ts'
import type { RunContext } from '../../nodes/define.ts'
import imageStitch from '../../nodes/image/image-stitch.ts'
import loadImage from '../../nodes/image/load-image.ts'
import saveImage from '../../nodes/image/save-image.ts'
import { context } from './context.ts'

const picture = (batch: number, height: number, width: number, f: (i: number) => number): Tensor =>
  tensor(
    Float32Array.from({ length: batch * height * width * 3 }, (_, i) => f(i)),
    [batch, height, width, 3],
  )
const ramp = (height: number, width: number) => picture(1, height, width, (i) => (i % 256) / 255)

describe('SaveImage', () => {
  async function save(run: Partial<RunContext>, prompt: unknown, extra: Readonly<Record<string, unknown>>) {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-'))
    const values = { images: ramp(16, 16), filename_prefix: 'x', prompt, extra_pnginfo: extra }
    await saveImage.run(values, { ...context(folder), ...run })
    return readFile(join(folder, 'output', 'x_0.png'))
  }
  it('writes the prompt and the workflow into the file, seeds exact, any script escaped to ASCII', async () => {
    const bytes = await save(
      {},
      { '3': { inputs: { seed: 18446744073709551615n, low: -9223372036854775808n, text: 'ж \u00015\u0001 🚢' } } },
      { workflow: { nodes: [] } },
    )
    const text = Object.fromEntries(await readTexts(bytes))
    expect(text['prompt']).toContain('"seed":18446744073709551615')
    expect(text['prompt']).toContain('"low":-9223372036854775808,')
    expect(JSON.parse(text['prompt'] ?? '')).toMatchObject({ '3': { inputs: { text: 'ж \u00015\u0001 🚢' } } })
    expect(text['workflow']).toBe('{"nodes":[]}')
    const { data } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true })
    expect(Float32Array.from(data, (byte) => byte / 255)).toEqual(ramp(16, 16).data)
  })
  it('leaves metadata out when told', async () =>
    expect((await readTexts(await save({ metadata: false }, {}, {}))).size).toBe(0))
})

describe('LoadImage', () => {
  it('gives colours in 0..1 and transparency as a mask', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'heddle-'))
    const run = context(folder)
    await writeFile(
      await run.files.resolve('input', 'a.png'),
      await sharp(Buffer.from([255, 0, 0, 255, 0, 255, 0, 51]), { raw: { width: 2, height: 1, channels: 4 } })
        .png()
        .toBuffer(),
    )
    const { IMAGE, MASK } = await loadImage.run({ image: 'a.png' }, run)
    expect(IMAGE).toEqual(tensor(Float32Array.of(1, 0, 0, 0, 1, 0), [1, 1, 2, 3]))
    expect(MASK.data[0]).toBe(0)
    expect(MASK.data[1]).toBeCloseTo(0.8, 5)
  })
  it('says which file cannot be read', async () => {
    const run = context(await mkdtemp(join(tmpdir(), 'heddle-')))
    await writeFile(await run.files.resolve('input', 'broken.png'), 'not a picture')
    await expect(loadImage.run({ image: 'broken.png' }, run)).rejects.toThrow(/broken\.png/)
  })
})

describe('ImageStitch', () => {
  const base = { match_image_size: true, spacing_color: 'black', spacing_width: 2 } as const
  it('puts the second to the right, scaled to the same height, repeating a shorter batch', async () => {
    const values = {
      ...base,
      direction: 'right' as const,
      image1: picture(2, 8, 8, () => 1),
      image2: picture(1, 4, 4, () => 1),
    }
    const { IMAGE } = await imageStitch.run(values, context(''))
    expect(IMAGE.shape).toEqual([2, 8, 18, 3])
    expect(IMAGE.data[8 * 3]).toBe(0)
    expect(IMAGE.data[10 * 3]).toBe(1)
  })
  it('goes up, down and left too', async () => {
    const pair = { image1: picture(1, 4, 4, () => 1), image2: picture(1, 4, 4, () => 0.2) }
    const first = async (direction: 'left' | 'up' | 'down') =>
      (await imageStitch.run({ ...base, direction, ...pair }, context(''))).IMAGE
    expect((await first('left')).data[0]).toBeCloseTo(0.2)
    expect((await first('up')).shape).toEqual([1, 10, 4, 3])
    expect((await first('down')).data[0]).toBe(1)
  })
})

describe('metrics', () => {
  it('PSNR of a constant offset is known in closed form', () => {
    expect(
      psnr(
        picture(1, 12, 12, () => 0.5),
        picture(1, 12, 12, () => 0.4),
      ),
    ).toBeCloseTo(20, 4)
    expect(psnr(ramp(12, 12), ramp(12, 12))).toBe(Infinity)
  })
  it('SSIM is 1 for equal pictures and has its closed form for two flat ones', () => {
    expect(ssim(ramp(16, 16), ramp(16, 16))).toBeCloseTo(1, 9)
    const c1 = 0.01 ** 2
    const flat = ssim(
      picture(1, 16, 16, () => 0.5),
      picture(1, 16, 16, () => 0.25),
    )
    expect(flat).toBeCloseTo((2 * 0.5 * 0.25 + c1) / (0.25 + 0.0625 + c1), 6)
  })
  it('refuses pictures of different sizes', () => expect(() => psnr(ramp(8, 8), ramp(8, 4))).toThrow(/8/))
})
