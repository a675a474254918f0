/** Models folders of tiny WANs from the reference cases, in diffusers' and in ComfyUI's layout, whose parts suit each other. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTensors } from '../../../diffusion/onnx/weights.ts'
import { normalNoise } from '../../../diffusion/random.ts'
import type { Tensor } from '../../../diffusion/tensor.ts'
import { fixtures } from './rekeyed.ts'
import { encode } from './synthetic.ts'
import { writeTinyCheckpoint } from './tiny-checkpoint.ts'

const WEIGHTS = 'diffusion_pytorch_model.safetensors'

/** Width of umt5-a. */
const TEXT = 24
/** Width of clip-vision-a. */
const VISION = 32

interface Variant {
  readonly config: object
  readonly resized: Readonly<Record<string, readonly number[]>>
}

/** A copy of a transformer's case in which weights have other shapes, so that it takes what its text encoder and its eye give. */
async function suited(from: string, to: string, { config, resized }: Variant): Promise<void> {
  await cp(join(fixtures, from), to, { recursive: true })
  const json = JSON.parse(await readFile(join(to, 'config.json'), 'utf8')) as object
  await writeFile(join(to, 'config.json'), JSON.stringify({ ...json, ...config }))
  const tensors = await readTensors(join(to, WEIGHTS))
  const changed = Object.entries(resized).map(([name, shape], i): [string, Tensor] => [
    name,
    normalNoise(BigInt(i), shape),
  ])
  await writeFile(join(to, WEIGHTS), encode({ ...tensors, ...Object.fromEntries(changed) }))
}

const EMBEDDER = 'condition_embedder'
const TEXT_IN = { [`${EMBEDDER}.text_embedder.linear_1.weight`]: [24, TEXT] }

/** A tokenizer of a few words, for UMT5. */
async function writeTokenizer(to: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tokenizer-'))
  await writeTinyCheckpoint(folder)
  await cp(join(folder, 'tokenizer_2'), to, { recursive: true })
  await rm(folder, { recursive: true })
}

/** `folder`/tiny-wan as diffusers keeps a WanPipeline. */
export async function writeWanPipeline(folder: string): Promise<void> {
  const root = join(folder, 'tiny-wan')
  await mkdir(join(root, 'scheduler'), { recursive: true })
  await suited('wan-t2v-a', join(root, 'transformer'), { config: { text_dim: TEXT }, resized: TEXT_IN })
  await cp(join(fixtures, 'vae-wan-a'), join(root, 'vae'), { recursive: true })
  await cp(join(fixtures, 'umt5-a'), join(root, 'text_encoder'), { recursive: true })
  await writeTokenizer(join(root, 'tokenizer'))
  const json = (path: string, value: unknown) => writeFile(join(root, path), JSON.stringify(value))
  await json('model_index.json', { _class_name: 'WanPipeline' })
  await json('scheduler/scheduler_config.json', {
    _class_name: 'UniPCMultistepScheduler',
    use_flow_sigmas: true,
    flow_shift: 3,
  })
}

/** Image-to-video in ComfyUI's folders, each part by itself. */
export async function writeWanParts(folder: string): Promise<void> {
  const eye = {
    [`${EMBEDDER}.image_embedder.norm1.weight`]: [VISION],
    [`${EMBEDDER}.image_embedder.norm1.bias`]: [VISION],
    [`${EMBEDDER}.image_embedder.ff.net.0.proj.weight`]: [VISION, VISION],
    [`${EMBEDDER}.image_embedder.ff.net.0.proj.bias`]: [VISION],
    [`${EMBEDDER}.image_embedder.ff.net.2.weight`]: [24, VISION],
  }
  const variant = { config: { text_dim: TEXT, image_dim: VISION }, resized: { ...TEXT_IN, ...eye } }
  await suited('wan-i2v-a', join(folder, 'diffusion_models/wan'), variant)
  for (const [from, to] of [
    ['vae-wan-a', 'vae/wan'],
    ['umt5-a', 'text_encoders/umt5'],
    ['clip-vision-a', 'clip_vision/eye'],
  ] as const)
    await cp(join(fixtures, from), join(folder, to), { recursive: true })
  // Loaders list every safetensors file.
  for (const part of ['diffusion_models/wan', 'vae/wan', 'text_encoders/umt5', 'clip_vision/eye'])
    for (const name of ['inputs', 'outputs']) await rm(join(folder, part, `${name}.safetensors`))
  await writeTokenizer(join(folder, 'tokenizers/umt5'))
}
