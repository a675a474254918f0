/** Checks a model case: one folder with config.json, weights, inputs.safetensors and outputs.safetensors of one component. */
import { join } from 'node:path'
import { readJsonIfAny } from '../families/json.ts'
import { loadCaseReaders } from '../families/registry.ts'
import { checkAutoencoder } from './shared/autoencoder-model.ts'
import type { Checker, CheckResult } from './shared/contract.ts'
import { checkDecoder } from './shared/decoder-model.ts'
import { checkFlux } from './shared/flux-model.ts'
import { checkHunyuanAutoencoder } from './shared/hunyuan-autoencoder.ts'
import { checkClip, checkT5 } from './shared/text-model.ts'
import { checkTinyAutoencoder } from './shared/tiny-autoencoder.ts'
import { checkTransformer } from './shared/transformer-model.ts'
import { checkWanAutoencoder } from './shared/video-autoencoder.ts'
import { checkClipVision } from './shared/vision-model.ts'

/** By `_class_name` (diffusers) or the first of `architectures` (transformers); other transformers are read by their family's parity.ts. */
const BY_CLASS: Readonly<Record<string, (dir: string) => Promise<readonly CheckResult[]>>> = {
  FluxTransformer2DModel: checkFlux,
  AutoencoderKL: checkAutoencoder,
  AutoencoderKLWan: checkWanAutoencoder,
  AutoencoderKLHunyuanVideo: checkHunyuanAutoencoder,
  AutoencoderTiny: checkTinyAutoencoder,
  CLIPTextModel: checkClip,
  CLIPTextModelWithProjection: checkClip,
  T5EncoderModel: checkT5,
  UMT5EncoderModel: checkT5,
  CLIPVisionModel: checkClipVision,
  CLIPVisionModelWithProjection: checkClipVision,
  LlamaModel: checkDecoder,
}

async function className(dir: string): Promise<string | null> {
  const config = await readJsonIfAny(join(dir, 'config.json'))
  const name = config?.['_class_name'] ?? (config?.['architectures'] as readonly unknown[] | undefined)?.[0]
  return typeof name === 'string' ? name : null
}

export default {
  kind: 'model',
  /** Cases with a number of steps are whole sampling loops, another checker's. */
  async matches(dir) {
    const [name, about] = [await className(dir), await readJsonIfAny(join(dir, 'case.json'))]
    return name !== null && about !== null && !('steps' in about)
  },
  async check(dir) {
    const name = (await className(dir)) ?? ''
    const check = BY_CLASS[name]
    if (check) return check(dir)
    const readers = await loadCaseReaders()
    const reader = readers.find((one) => one.className === name)
    if (reader) return checkTransformer(reader, dir)
    const known = [...Object.keys(BY_CLASS), ...readers.map((one) => one.className)]
    throw new Error(`${dir}: no engine for ${name}; there is one for ${known.join(', ')}`)
  },
} satisfies Checker
