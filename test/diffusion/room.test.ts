/** What cannot fit into memory is refused before it begins, and nothing else is: with an amount of memory that the tests say. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { availableOf } from '../../diffusion/available-memory.ts'
import { configure } from '../../diffusion/caching/contract.ts'
import { loadCaseReaders } from '../../diffusion/families/registry.ts'
import { openAutoencoder } from '../../diffusion/families/vae/open.ts'
import { assertRoom, NoRoomError } from '../../diffusion/room.ts'
import { zeros } from '../../diffusion/tensor.ts'
import { dicache } from '../../nodes/caching/dicache.ts'
import { fakeTransformer } from '../fixtures/fake-model.ts'
import { knobs } from '../nodes/caching/scripted.ts'
import { runFake } from './caching/run.ts'

const machine = vi.hoisted(() => ({ bytes: 0 }))
vi.mock('../../diffusion/available-memory.ts', async (original) => ({
  ...(await original<object>()),
  availableMemory: () => machine.bytes,
}))

const GIB = 1024 ** 3
const fixtures = join(import.meta.dirname, '../fixtures/parity')

beforeEach(() => {
  machine.bytes = 64 * GIB
})

describe('the memory that can be had', () => {
  const meminfo = 'MemTotal: 100 kB\nMemAvailable:     40 kB\nSwapFree:  5 kB\n'
  const status = 'VmRSS:\t 30 kB\nRssAnon:\t    20 kB\n'

  it('is what is free, what the process has, and swap', () => {
    expect(availableOf(meminfo, status, Infinity)).toBe(65 * 1024)
  })

  it('is at most what a container allows, and swap', () => {
    expect(availableOf(meminfo, status, 50 * 1024)).toBe(55 * 1024)
  })

  it('is not told where the system tells less', () => {
    expect(availableOf('', status, Infinity)).toBeNull()
    expect(availableOf(meminfo, '', Infinity)).toBeNull()
  })
})

describe('a need', () => {
  const need = { what: 'Sampling with m', bytes: 256 * GIB, height: 8192, width: 16384, instead: 'Wait.' }

  it('beyond the memory is refused with both amounts and the largest size', () => {
    expect(() => assertRoom(need)).toThrow(NoRoomError)
    expect(() => assertRoom(need)).toThrow(
      'Sampling with m at 16384x8192 needs at least 256 GiB of memory beside the weights, and 64 GiB can be had. ' +
        'At most about 8192x4096 fits. Wait.',
    )
  })

  it('that is just met is not refused', () => {
    machine.bytes = need.bytes
    expect(() => assertRoom(need)).not.toThrow()
  })
})

describe('sampling', () => {
  /** Four tokens of an image, 100 bytes each: 400 bytes a row. */
  const heavy = () => Object.assign(fakeTransformer(), { heldPerToken: 100 })

  it('is refused before anything runs, samples and both branches counted', async () => {
    const transformer = heavy()
    machine.bytes = 2 * 3 * 400 - 1
    await expect(runFake({ transformer, batch: 3 })).rejects.toThrow(/^Sampling with .* at 16x16 needs at least/)
    expect(transformer.runs).toEqual([])
    machine.bytes++
    await runFake({ transformer, batch: 3, steps: 1 })
    expect(transformer.runs.length).toBeGreaterThan(0)
  })

  it('with a cache, whose rows may run one by one, counts a single row', async () => {
    const cache = configure(dicache, knobs)
    machine.bytes = 400
    await runFake({ transformer: heavy(), batch: 3, steps: 2, cache })
    machine.bytes = 399
    await expect(runFake({ transformer: heavy(), batch: 3, cache })).rejects.toThrow(NoRoomError)
  })

  it('is bounded for every family', async () => {
    const readers = await loadCaseReaders()
    const seen = new Set<string>()
    for (const name of await readdir(fixtures)) {
      const config = await readFile(join(fixtures, name, 'config.json'), 'utf8').catch(() => '{}')
      const { _class_name: className } = JSON.parse(config) as { _class_name?: string }
      const reader = readers.find((one) => one.className === className)
      if (!reader || seen.has(reader.className)) continue
      seen.add(reader.className)
      const { transformer } = await reader.open(join(fixtures, name), 'diffusion_pytorch_model.safetensors')
      expect(transformer.heldPerToken, name).toBeGreaterThan(0)
      await transformer.release()
    }
    expect(seen.size).toBe(readers.length)
  })
})

describe('an autoencoder', () => {
  it('refuses pictures whose widest layers do not fit, and names the way out', async () => {
    const vae = await openAutoencoder(join(fixtures, 'vae-kl16-a'))
    const { factor, channels } = vae
    const latent = zeros([1, channels, 8, 8])
    machine.bytes = 1000
    await expect(vae.decode(latent)).rejects.toThrow(/VAE .*: decoding at .* needs at least .*VAE Decode \(Tiled\)/)
    await expect(vae.encode(zeros([1, 8 * factor, 8 * factor, 3]))).rejects.toThrow(
      /encoding at .*VAE Encode \(Tiled\)/,
    )
    machine.bytes = GIB
    expect((await vae.decode(latent)).shape).toEqual([1, 8 * factor, 8 * factor, 3])
    await vae.release()
  })
})
