/** VAEEncodeForInpaint: a picture with a hole to a latent, and the mask of the hole. */
import { resize } from '../../diffusion/resize.ts'
import { tensor, type Tensor } from '../../diffusion/tensor.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { int } from '../spec.ts'
import { cropToMultiple, unitOf } from './shared/crop.ts'
import { encoded } from './shared/encoded.ts'

const rounded = (mask: Tensor): Tensor => ({ data: mask.data.map(Math.round), shape: mask.shape })

/** 1 wherever a place within `by` around is 1: the sum over a window of `by` by `by`, as ComfyUI places it. [B, H, W, 1]. */
function grown(mask: Tensor, by: number): Tensor {
  if (by === 0) return mask
  const [batch = 0, height = 0, width = 0] = mask.shape
  const before = Math.ceil((by - 1) / 2)
  const reach = (at: number, length: number): readonly [number, number] => [
    Math.max(0, at - before),
    Math.min(length, at - before + by),
  ]
  const out = new Float32Array(mask.data.length)
  const any = (b: number, y: number, x: number): boolean => {
    const [[top, bottom], [left, right]] = [reach(y, height), reach(x, width)]
    for (let line = top; line < bottom; line++) {
      const from = (b * height + line) * width
      if (mask.data.subarray(from + left, from + right).some((value) => value > 0)) return true
    }
    return false
  }
  for (let b = 0; b < batch; b++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) out[(b * height + y) * width + x] = any(b, y, x) ? 1 : 0
  return tensor(out, mask.shape)
}

/** Grey where the mask [B, H, W, 1] is 1; a single mask is for all pictures. */
function emptied(pixels: Tensor, mask: Tensor): Tensor {
  const data = pixels.data.map((value, i) => {
    const hole = mask.data[Math.floor(i / 3) % mask.data.length]!
    return hole > 0 ? 0.5 : value
  })
  return tensor(data, pixels.shape)
}

export default defineNode({
  type: 'VAEEncodeForInpaint',
  category: 'latent',
  title: 'VAE Encode (for Inpainting)',
  help: 'Paints the masked part grey, encodes the picture, and has samplers fill that part anew: for inpainting models and denoise 1.',
  inputs: {
    pixels: port('IMAGE'),
    vae: port('VAE'),
    mask: port('MASK', { help: '1 where the picture is to be made anew.' }),
    grow_mask_by: int({
      default: 6,
      min: 0,
      max: 64,
      help: 'Pixels around the mask that are made anew too, to hide the seam.',
    }),
  },
  outputs: { LATENT: 'LATENT' },
  async run({ pixels, vae, mask, grow_mask_by }) {
    const [, height = 0, width = 0] = pixels.shape
    const [h = 0, w = 0] = mask.shape.slice(-2)
    const whole = tensor(mask.data, [mask.data.length / (h * w), h, w, 1])
    const unit = unitOf(vae)
    const cut = (picture: Tensor): Tensor => cropToMultiple('VAEEncodeForInpaint', picture, unit)
    const hole = cut(rounded(resize(whole, height, width, { kernel: 'bilinear', antialias: false })))
    const samples = await vae.encode(emptied(cut(pixels), hole))
    const noise_mask = grown(hole, grow_mask_by)
    return { LATENT: { ...encoded(samples, vae), noise_mask: tensor(noise_mask.data, noise_mask.shape.slice(0, 3)) } }
  },
})
