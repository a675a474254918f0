/** Reads a parity case of ZImageTransformer2DModel: one picture of one frame; its layers join image and text, and it gives clean - noise. */
import { scale, tensor, type Tensor } from '../../tensor.ts'
import type { CaseReader } from '../parity.ts'
import { openCase } from '../shared/case.ts'
import zImage from './family.ts'

/** [1, T, W] and [1, S, W] -> [1, T + S, W]. */
function joinTokens(image: Tensor, text: Tensor): Tensor {
  const data = new Float32Array(image.data.length + text.data.length)
  data.set(image.data)
  data.set(text.data, image.data.length)
  return tensor(data, [1, (image.shape[1] ?? 0) + (text.shape[1] ?? 0), image.shape[2] ?? 0])
}

export default {
  className: 'ZImageTransformer2DModel',
  async open(dir, file) {
    const { transformer, outputs, input } = await openCase(zImage, dir, file)
    const [picture, time, caption] = [input('x'), input('t'), input('cap_feats')]
    const [channels = 0, , height = 0, width = 0] = picture.shape
    const sigma = tensor(
      time.data.map((t) => 1 - t),
      time.shape,
    )
    return {
      ...{ transformer, outputs, levels: { sigma, clean: time } },
      latent: tensor(picture.data, [1, channels, height, width]),
      timestep: scale(sigma, 1000),
      conditioning: () => ({ tokens: tensor(caption.data, [1, ...caption.shape]), pooled: null, extras: {} }),
      embedded: () => ({}),
      afterBlock: (index, { image, text }) => ({ [`hidden.layers.${index}`]: joinTokens(image!, text!) }),
      output: ({ prediction }) => scale(prediction!, -1),
    }
  },
} satisfies CaseReader
