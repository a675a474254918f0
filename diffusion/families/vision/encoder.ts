/** CLIP's eye: pictures to the tokens that image-to-video models look at, on a session that opens at the first picture. */
import { basename, dirname, join } from 'node:path'
import { stat } from 'node:fs/promises'
import { LazySession } from '../../onnx/lazy-session.ts'
import { chooseWeightMode } from '../../onnx/session.ts'
import { float32Bytes, openWeights, openWeightsFolder, type Weights } from '../../onnx/weights.ts'
import { centreCrop, resize } from '../../resize.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import type { VisionEncoder, VisionOutput } from '../contract.ts'
import type { Json, Releasable } from '../family.ts'
import { readJsonIfAny } from '../json.ts'
import { WeightLookup } from '../lookup.ts'
import {
  CLIP_VISION_SIGN,
  clipVisionGraph,
  inferClipVisionConfig,
  parseClipVisionConfig,
  type ClipVisionConfig,
} from './clip.ts'

/** Of the pictures that CLIP was trained on (Radford et al. 2021, the released code). */
const MEAN = [0.48145466, 0.4578275, 0.40821073]
const DEVIATION = [0.26862954, 0.26130258, 0.27577711]

/** [B, H, W, 3] in 0..1 -> [B, 3, size, size], as ComfyUI prepares pictures: scaled, cut, rounded to bytes, normalised. */
export function prepared(pixels: Tensor, size: number, crop: 'center' | 'none'): Tensor {
  const [batch = 0, height = 0, width = 0] = pixels.shape
  const scale = size / Math.min(height, width)
  const [h, w] = crop === 'center' ? [Math.round(scale * height), Math.round(scale * width)] : [size, size]
  const scaled = resize(pixels, h, w, { kernel: 'bicubic', antialias: true })
  const { data } = centreCrop(scaled, size, size)
  const plane = size * size
  const out = new Float32Array(data.length)
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < plane; i++)
      for (let c = 0; c < 3; c++) {
        const byte = Math.round(255 * Math.min(1, Math.max(0, data[(b * plane + i) * 3 + c]!)))
        out[(b * 3 + c) * plane + i] = (byte / 255 - MEAN[c]!) / DEVIATION[c]!
      }
  return tensor(out, [batch, 3, size, size])
}

export class ClipVisionEncoder implements VisionEncoder, Releasable {
  readonly #config: ClipVisionConfig
  readonly #name: string
  readonly #session: LazySession

  constructor(config: ClipVisionConfig, weights: Weights) {
    this.#config = config
    this.#name = `CLIP vision model ${basename(dirname(weights.where))}/${basename(weights.where)}`
    const lookup = new WeightLookup(weights)
    const mode = chooseWeightMode(float32Bytes(weights))
    this.#session = new LazySession(() => clipVisionGraph(config, lookup), { mode, name: this.#name })
  }

  async encode(pixels: Tensor, crop: 'center' | 'none'): Promise<VisionOutput> {
    const [batch = 0, height = 0, width = 0, channels] = pixels.shape
    if (pixels.shape.length !== 4 || channels !== 3 || batch * height * width === 0)
      throw new Error(`${this.#name}: pixels are [${pixels.shape.join(', ')}], expected [B, H, W, 3]`)
    const outputs = await this.#session.run({ pixels: prepared(pixels, this.#config.size, crop) })
    return {
      last: outputs['last']!,
      penultimate: outputs['penultimate']!,
      embeds: outputs['projected'] ?? outputs['pooled']!,
    }
  }

  /** Closes its session; it opens again when needed. */
  release(): Promise<void> {
    return this.#session.release()
  }
}

const isVisionConfig = (json: Json | null): json is Json =>
  json !== null && (json['model_type'] === 'clip_vision_model' || 'vision_config' in json)

/** Opens a .safetensors file, or a folder with config.json and weights. Throws when it is no CLIP vision model. */
export async function openVisionEncoder(path: string): Promise<ClipVisionEncoder> {
  const isFolder = (await stat(path)).isDirectory()
  const weights = await (isFolder ? openWeightsFolder(path) : openWeights(path))
  if (!weights.tensors.has(CLIP_VISION_SIGN)) {
    const keys = [...weights.tensors.keys()].slice(0, 3).join(', ')
    throw new Error(
      `${path}: no CLIP vision model in transformers' key names: no '${CLIP_VISION_SIGN}' among ${keys}, ...`,
    )
  }
  const json = await readJsonIfAny(join(isFolder ? path : dirname(path), 'config.json'))
  const config = isVisionConfig(json)
    ? parseClipVisionConfig(json, `config.json of ${path}`)
    : inferClipVisionConfig(weights)
  return new ClipVisionEncoder(config, weights)
}
