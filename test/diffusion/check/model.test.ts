/** Every model case of the fixtures is green, and a wrong number is found. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkCase } from '../../../diffusion/check/index.ts'

const fixtures = join(import.meta.dirname, '../../fixtures/parity')

describe('model cases', () => {
  const names =
    'flux-dev-a flux-schnell-a sd3-a sd35-a pixart-alpha-ms-a pixart-sigma-a dit-a vae-kl16-a vae-kl-a clip-l-a clip-g-a t5-v11-a unet-sd15-a unet-sdxl-a taesd-a hunyuanvideo-a vae-hunyuan-a llama-a qwen-image-a flux2-a ltx-video-a z-image-a'
  it.each(names.split(' '))('%s', async (name) => {
    const results = await checkCase(join(fixtures, name))
    expect(results.length).toBe(name === 'flux-dev-a' ? 2 : 1)
    for (const result of results) {
      expect(result.details.join('\n')).not.toMatch(/NaN/)
      expect(result).toMatchObject({ kind: 'model', pass: true, bar: 1e-4 })
    }
  })

  it('fails on a changed reference, and says which tensor', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'case-'))
    await cp(join(fixtures, 'clip-l-a'), dir, { recursive: true })
    const file = join(dir, 'outputs.safetensors')
    const bytes = await readFile(file)
    bytes.writeFloatLE(bytes.readFloatLE(bytes.length - 4) + 0.01, bytes.length - 4)
    await writeFile(file, bytes)
    const [result] = await checkCase(dir)
    expect(result?.pass).toBe(false)
    expect(result?.maxAbs).toBeCloseTo(0.01, 4)
    expect(result?.details.filter((line) => line.includes('1.00e-2'))).toHaveLength(1)
    await rm(dir, { recursive: true })
  })

  it('answers a folder that is no case, and a broken case, with a failed result', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'case-'))
    expect(await checkCase(dir)).toMatchObject([{ kind: 'unknown', pass: false }])
    await cp(join(fixtures, 'clip-l-a'), dir, { recursive: true })
    await writeFile(join(dir, 'model.safetensors'), 'short')
    const [result] = await checkCase(dir)
    expect(result).toMatchObject({ kind: 'model', pass: false, maxAbs: NaN })
    expect(result?.details[0]).toMatch(/model\.safetensors/)
    await rm(dir, { recursive: true })
  })
})
