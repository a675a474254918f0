/** Reading LoRA files: alphas of every type, and what is left out or refused. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openLora } from '../../../diffusion/families/lora/read.ts'
import { encodeRaw, type RawTensor } from '../onnx/encode-safetensors.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'lora-file-'))
})
afterAll(() => rm(root, { recursive: true }))

describe('reading LoRAs', () => {
  const raw = (dtype: string, shape: readonly number[], bytes: Uint8Array): RawTensor => ({ dtype, shape, bytes })
  const lora = async (extra: Readonly<Record<string, RawTensor>>) => {
    const path = join(root, 'raw.safetensors')
    await writeFile(path, encodeRaw(extra))
    return openLora(path)
  }
  const bytes = (count: number) => new Uint8Array(count)

  it.each([
    ['F16', new Uint8Array(new Uint16Array([0x4400]).buffer)],
    ['BF16', new Uint8Array(new Uint16Array([0x4080]).buffer)],
    ['F32', new Uint8Array(new Float32Array([4]).buffer)],
    ['I64', new Uint8Array(new BigInt64Array([4n]).buffer)],
  ])('reads an alpha of %s', async (dtype, value) => {
    const { layers } = await lora({
      'x.alpha': raw(dtype, [], value),
      'x.lora_down.weight': raw('F16', [8, 2], bytes(32)),
      'x.lora_up.weight': raw('F16', [2, 8], bytes(32)),
    })
    expect(layers).toMatchObject([{ module: 'x', lowRank: { factor: 0.5 } }])
  })

  it('says what it leaves out, and refuses a file without a layer', async () => {
    const two = { 'y.lora_A.weight': raw('F16', [1, 2], bytes(4)), 'y.lora_B.weight': raw('F16', [2, 1], bytes(4)) }
    const { layers, leftOut } = await lora({
      ...two,
      'x.hada_w1_a': raw('F16', [2], bytes(4)),
      'z.lora_A.weight': raw('F16', [2], bytes(4)),
    })
    expect(layers.map(({ module }) => module)).toEqual(['y'])
    expect(leftOut).toEqual(['x: LoHa', 'z: no up part'])
    await expect(lora({ w: raw('F16', [2], bytes(4)) })).rejects.toThrow(
      /raw\.safetensors: no LoRA that can be read \(1 tensors: w/,
    )
  })
})
