/** Latents of another size, by ComfyUI's methods. */
import { bislerp } from '../../../diffusion/bislerp.ts'
import { cropToShape, resize } from '../../../diffusion/resize.ts'
import { tensor, type Tensor } from '../../../diffusion/tensor.ts'
import { choice } from '../../spec.ts'

export const METHODS = ['nearest-exact', 'bilinear', 'area', 'bicubic', 'bislerp'] as const
export const upscaleMethod = choice(METHODS, {
  default: 'nearest-exact',
  help: 'How cells between cells are made; bislerp turns vectors into each other and keeps their lengths.',
})

/** Planes [B, C, (F,) h, w] as pictures of one channel [planes, h, w, 1]. */
const asPictures = ({ data, shape }: Tensor): Tensor => {
  const [h = 1, w = 1] = shape.slice(-2)
  return tensor(data, [data.length / (h * w), h, w, 1])
}

/** [B, C, F, h, w] with frames as samples, so that vectors of channels lie alike. */
function framesAsSamples(latent: Tensor): Tensor {
  const [batch = 1, channels = 1, frames = 1, h = 1, w = 1] = latent.shape
  const plane = h * w
  const out = new Float32Array(latent.data.length)
  for (let b = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let f = 0; f < frames; f++) {
        const from = ((b * channels + c) * frames + f) * plane
        out.set(latent.data.subarray(from, from + plane), ((b * frames + f) * channels + c) * plane)
      }
  return tensor(out, [batch * frames, channels, h, w])
}

/** Samples [B, C, (F,) h, w] -> [B, C, (F,) height, width], after a crop to that shape where `crop` is 'center'. */
export function upscaled(
  samples: Tensor,
  height: number,
  width: number,
  method: (typeof METHODS)[number],
  crop: 'disabled' | 'center',
): Tensor {
  const pictures = asPictures(samples)
  const cropped = crop === 'center' ? cropToShape(pictures, height, width) : pictures
  const lead = samples.shape.slice(0, -2)
  const planes = tensor(cropped.data, [...lead, ...cropped.shape.slice(1, 3)])
  if (method !== 'bislerp') {
    const how =
      method === 'nearest-exact' || method === 'area' ? method : ({ kernel: method, antialias: false } as const)
    return tensor(resize(cropped, height, width, how).data, [...lead, height, width])
  }
  if (lead.length === 2) return bislerp(planes, height, width)
  const [batch = 1, channels = 1, frames = 1] = lead
  const turned = bislerp(framesAsSamples(planes), height, width)
  const back = framesAsSamples(tensor(turned.data, [batch, frames, channels, height, width]))
  return tensor(back.data, [...lead, height, width])
}
