/** A judge of a picture and its caption, such as CLIP (Radford et al. 2021) or ImageReward (Xu et al. 2023). */
import { dirname, join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import sharp from 'sharp'
import { readJson, readJsonIfAny } from '../../diffusion/families/json.ts'
import { readOnnx } from '../../diffusion/onnx/file.ts'
import { openSession } from '../../diffusion/onnx/session.ts'
import { tensor, type Tensor } from '../../diffusion/tensor.ts'
import type { Judge } from './judges.ts'
import { onlyValue } from './pair.ts'

/** Edge of the pictures that both take, and the mean and deviation of CLIP's training pictures, which both subtract and divide by. */
const EDGE = 224
const MEAN = [0.48145466, 0.4578275, 0.40821073]
const DEVIATION = [0.26862954, 0.26130258, 0.27577711]
/** Most tokens of a caption: CLIP's positions; ImageReward was trained with 35. */
const TOKENS = 77

const INPUTS = ['input_ids', 'attention_mask', 'pixel_values']

/** [1, H, W, 3] in 0..1 to [1, 3, 224, 224], resized bicubically (the middle, if it is not square) and normalised. */
async function toPixels({ data, shape }: Tensor): Promise<Tensor> {
  const [, height = 0, width = 0] = shape
  const bytes = Uint8Array.from(data, (value) => Math.round(255 * value))
  const resized = await sharp(bytes, { raw: { width, height, channels: 3 } })
    .resize(EDGE, EDGE, { fit: 'cover', kernel: 'cubic' })
    .raw()
    .toBuffer()
  const size = EDGE * EDGE
  const planes = new Float32Array(3 * size)
  for (let at = 0; at < size; at++)
    for (let c = 0; c < 3; c++) planes[c * size + at] = (resized[3 * at + c]! / 255 - MEAN[c]!) / DEVIATION[c]!
  return tensor(planes, [1, 3, EDGE, EDGE])
}

/** Ids of a text between its special tokens, without padding; a text that is too long loses its end, not the last special token. */
async function openIds(folder: string): Promise<(text: string) => readonly number[]> {
  const config = (await readJsonIfAny(join(folder, 'tokenizer_config.json'))) ?? {}
  const tokenizer = new Tokenizer(await readJson(join(folder, 'tokenizer.json')), config)
  return (text) => {
    const { ids } = tokenizer.encode(text)
    return ids.length > TOKENS ? [...ids.slice(0, TOKENS - 1), ids.at(-1)!] : ids
  }
}

const whole = (values: readonly number[]) => ({ data: BigInt64Array.from(values, BigInt), shape: [1, values.length] })

/**
 * Opens a judge with inputs `pixel_values` [1, 3, 224, 224], `input_ids` [1, L] and, if it wants one, `attention_mask` [1, L]
 * (both int64), as Optimum exports CLIP; its first output is the score (`logits_per_image`, a reward). The tokenizer.json of
 * its text encoder lies in the same folder.
 */
export async function openTextJudge(name: string, path: string): Promise<Judge> {
  const model = await readOnnx(path)
  const strangers = model.inputs.filter((input) => !INPUTS.includes(input))
  if (strangers.length > 0 || !model.inputs.includes('pixel_values') || !model.inputs.includes('input_ids'))
    throw new Error(
      `${path}: ${name} takes pixel_values, input_ids and attention_mask; this file has ${model.inputs.join(', ')}`,
    )
  const idsOf = await openIds(dirname(path))
  const session = await openSession(model, 'private', path)
  return {
    name,
    async judge(picture, _reference, caption) {
      const ids = idsOf(caption)
      const masked = model.inputs.includes('attention_mask') ? { attention_mask: whole(ids.map(() => 1)) } : {}
      const feeds = { pixel_values: await toPixels(picture), input_ids: whole(ids), ...masked }
      return onlyValue(await session.run(feeds), path)
    },
    release: () => session.release(),
  }
}
