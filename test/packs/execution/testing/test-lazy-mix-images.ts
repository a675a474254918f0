/** TestLazyMixImages: mixes two pictures by a mask, and asks only for those that the mask lets through. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { lazy } from '../../../../nodes/spec.ts'
import { tensor } from '../../../../diffusion/tensor.ts'

function only<T>(image: T | undefined): T {
  if (image === undefined) throw new Error('neither picture is there')
  return image
}

export default defineNode({
  type: 'TestLazyMixImages',
  category: 'testing',
  help: 'Mixes two pictures.',
  inputs: { image1: lazy(port('IMAGE')), image2: lazy(port('IMAGE')), mask: port('MASK') },
  outputs: { IMAGE: 'IMAGE' },
  needs({ mask, image1, image2 }) {
    const first = image1 === undefined && !mask.data.every((value) => value === 1)
    const second = image2 === undefined && !mask.data.every((value) => value === 0)
    return [...(first ? (['image1'] as const) : []), ...(second ? (['image2'] as const) : [])]
  },
  run({ mask, image1, image2 }) {
    if (!image1 || !image2) return { IMAGE: only(image1 ?? image2) }
    const channels = image1.shape.at(-1) ?? 1
    if (image1.data.length !== image2.data.length || image1.data.length !== mask.data.length * channels)
      throw new Error('the pictures and the mask must have one size')
    const share = (i: number) => mask.data[Math.floor(i / channels)] ?? 0
    const mixed = image1.data.map((value, i) => value * (1 - share(i)) + (image2.data[i] ?? 0) * share(i))
    return { IMAGE: tensor(mixed, image1.shape) }
  },
})
