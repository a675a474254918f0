/** Tiny models under the file names that ComfyUI's example workflows ask for, in ComfyUI's folders. */
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readTensors } from '../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../diffusion/random.ts'
import {
  asOriginalKl,
  clipShapes,
  encode,
  fluxTensors,
  klShapes,
  prefixed,
  randomTensors,
  t5Shapes,
  tinyFlux,
} from '../diffusion/families/synthetic.ts'
import { writeTinyCheckpoint } from '../diffusion/families/tiny-checkpoint.ts'

const fixtures = join(import.meta.dirname, '../fixtures/parity')
const WEIGHTS = 'diffusion_pytorch_model.safetensors'
const [CLIP_WIDTH, T5_WIDTH, WORDS] = [64, 128, 99]

const clip = randomTensors(clipShapes(CLIP_WIDTH, 2, WORDS, 77, false), 1000n)
const t5 = randomTensors(t5Shapes(T5_WIDTH, 2, WORDS), 2000n)
const kl = asOriginalKl(randomTensors(klShapes([32, 32], 16), 500n), 2)

/** Loose parts of FLUX.1 dev, and schnell as one file. */
async function writeFlux(root: string): Promise<void> {
  const folders = ['diffusion_models', 'text_encoders', 'vae', 'checkpoints', 'tokenizers']
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true })
  const config = tinyFlux(T5_WIDTH, CLIP_WIDTH)
  const schnell = fluxTensors({ ...config, guidance: false }, 2n, 'original')
  await writeFile(join(root, 'diffusion_models/flux1-dev.safetensors'), encode(fluxTensors(config, 1n, 'original')))
  await writeFile(join(root, 'text_encoders/clip_l.safetensors'), encode(clip))
  await writeFile(join(root, 'text_encoders/t5xxl_fp16.safetensors'), encode(t5))
  await writeFile(join(root, 'vae/ae.safetensors'), encode(kl))
  const all = {
    ...prefixed(schnell, 'model.diffusion_model.'),
    ...prefixed(kl, 'vae.'),
    ...prefixed(clip, 'text_encoders.clip_l.transformer.'),
    ...prefixed(t5, 'text_encoders.t5xxl.transformer.'),
  }
  await writeFile(join(root, 'checkpoints/flux1-schnell-fp8.safetensors'), encode(all))
  await writeTinyCheckpoint(join(root, 'tiny'))
  await rename(join(root, 'tiny/tokenizer'), join(root, 'tokenizers/clip'))
  await rename(join(root, 'tiny/tokenizer_2'), join(root, 'tokenizers/t5'))
  await rm(join(root, 'tiny'), { recursive: true })
}

interface Denoiser {
  readonly pipeline: string
  /** Its folder in the pipeline, and the case that it is. */
  readonly part: 'unet' | 'transformer'
  readonly from: string
  readonly config: object
  /** Weights by the ends of their keys that get this width, to suit the text encoders. */
  readonly resized: Readonly<Record<string, number>>
  readonly scheduler: object
}

/** A folder in diffusers layout around the denoiser of a case. */
async function writePipeline(
  folder: string,
  { pipeline, part, from, config, resized, scheduler }: Denoiser,
): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeTinyCheckpoint(folder)
  await rm(join(folder, 'transformer'), { recursive: true })
  await writeFile(join(folder, 'model_index.json'), JSON.stringify({ _class_name: pipeline }))
  await writeFile(join(folder, 'scheduler/scheduler_config.json'), JSON.stringify(scheduler))
  const to = join(folder, part)
  await cp(join(fixtures, from), to, { recursive: true })
  const known = JSON.parse(await readFile(join(to, 'config.json'), 'utf8')) as object
  await writeFile(join(to, 'config.json'), JSON.stringify({ ...known, ...config }))
  const tensors = Object.entries(await readTensors(join(to, WEIGHTS))).map(([key, tensor], i) => {
    const width = Object.entries(resized).find(([end]) => key.endsWith(end))?.[1]
    if (width === undefined) return [key, tensor] as const
    const { data, shape } = normalNoise(BigInt(i), [tensor.shape[0]!, width])
    return [key, { data: data.map((value) => value / Math.sqrt(width)), shape }] as const
  })
  await writeFile(join(to, WEIGHTS), encode(Object.fromEntries(tensors)))
}

/** Replaces the second text encoder by a CLIP with a projection, as SDXL and SD3 have. */
async function withGiantClip(folder: string): Promise<void> {
  for (const part of ['text_encoder_2', 'tokenizer_2']) await rm(join(folder, part), { recursive: true })
  await cp(join(fixtures, 'clip-g-a'), join(folder, 'text_encoder_2'), { recursive: true })
  await cp(join(folder, 'tokenizer'), join(folder, 'tokenizer_2'), { recursive: true })
}

const BETAS = { _class_name: 'PNDMScheduler', beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012 }
const cross = (width: number) => ({ 'attn2.to_k.weight': width, 'attn2.to_v.weight': width })

/** Writes them all under `root`, a folder for --models. */
export async function writeModels(root: string): Promise<void> {
  await writeFlux(root)
  const checkpoint = (name: string) => join(root, 'checkpoints', name)
  const sd15 = checkpoint('v1-5-pruned-emaonly-fp16.safetensors')
  await writePipeline(sd15, {
    ...{ pipeline: 'StableDiffusionPipeline', part: 'unet', from: 'unet-sd15-a', scheduler: BETAS },
    ...{ config: { cross_attention_dim: 32 }, resized: cross(32) },
  })
  for (const part of ['text_encoder_2', 'tokenizer_2']) await rm(join(sd15, part), { recursive: true })
  const sdxl = checkpoint('sd_xl_base_1.0.safetensors')
  await writePipeline(sdxl, {
    ...{ pipeline: 'StableDiffusionXLPipeline', part: 'unet', from: 'unet-sdxl-a', scheduler: BETAS },
    config: { cross_attention_dim: 72, projection_class_embeddings_input_dim: 72 },
    resized: { ...cross(72), 'add_embedding.linear_1.weight': 72 },
  })
  await withGiantClip(sdxl)
  const sd35 = checkpoint('sd3.5_large_fp8_scaled.safetensors')
  await writePipeline(sd35, {
    ...{ pipeline: 'StableDiffusion3Pipeline', part: 'transformer', from: 'sd3-a' },
    scheduler: { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 },
    config: { joint_attention_dim: 72, pooled_projection_dim: 56 },
    resized: { 'context_embedder.weight': 72, 'time_text_embed.text_embedder.linear_1.weight': 56 },
  })
  await withGiantClip(sd35)
}
