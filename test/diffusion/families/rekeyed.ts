/** Puts a case's weights under the keys of another layout, by rewriting names as published converters do in the other direction. */
import { cp, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTensors } from '../../../diffusion/onnx/weights.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import { encode, stacked, type Tensors } from './synthetic.ts'

const WEIGHTS = 'diffusion_pytorch_model.safetensors'
export const fixtures = join(import.meta.dirname, '../../fixtures/parity')

/**
 * Rewrites of a diffusers name, in order. A name that then has '#2' in it is the third part of a tensor that is stacked of parts; one
 * that starts with '~' has its halves exchanged (diffusers puts the scale of the last norm before its shift).
 */
export type Rewrites = readonly (readonly [from: RegExp, to: string])[]

function exchanged({ data, shape }: Tensor): Tensor {
  const half = data.length / 2
  return { data: Float32Array.from([...data.subarray(half), ...data.subarray(0, half)]), shape }
}

/** The tensors of a case under other keys. */
export async function rekeyed(name: string, rewrites: Rewrites): Promise<Tensors> {
  const out: Record<string, Tensor> = {}
  const parts: Record<string, Tensor[]> = {}
  for (const [key, value] of Object.entries(await readTensors(join(fixtures, name, WEIGHTS)))) {
    const renamed = rewrites.reduce((text, [from, to]) => text.replace(from, to), key)
    const part = /#(\d)/.exec(renamed)
    if (part) (parts[renamed.replace(/#\d/, '')] ??= [])[Number(part[1])] = value
    else if (renamed.startsWith('~')) out[renamed.slice(1)] = exchanged(value)
    else out[renamed] = value
  }
  for (const [key, own] of Object.entries(parts)) out[key] = stacked(own)
  return out
}

/** A copy of the case that has its weights a second time as `original_keys.safetensors`, so that the check reads both. */
export async function caseWith(name: string, tensors: Tensors): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), `${name}-`))
  await cp(join(fixtures, name), dir, { recursive: true })
  await writeFile(join(dir, 'original_keys.safetensors'), encode(tensors))
  return dir
}
