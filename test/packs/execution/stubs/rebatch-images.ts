/** RebatchImages: sorts the pictures of a list into batches of another size. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { int } from '../../../../nodes/spec.ts'
import { tensor, type Tensor } from '../../../../diffusion/tensor.ts'

/** The pictures of a batch, each as a batch of one. */
function pictures({ data, shape: [batch = 0, ...rest] }: Tensor): Tensor[] {
  const size = data.length / Math.max(1, batch)
  return Array.from({ length: batch }, (_, i) => tensor(data.slice(i * size, (i + 1) * size), [1, ...rest]))
}

/** One batch of pictures of one size. */
function together(singles: readonly Tensor[]): Tensor {
  const [, ...rest] = singles[0]?.shape ?? []
  const length = singles[0]?.data.length ?? 0
  const data = new Float32Array(length * singles.length)
  singles.forEach((single, i) => data.set(single.data, i * length))
  return tensor(data, [singles.length, ...rest])
}

export default defineNode({
  type: 'RebatchImages',
  category: 'stubs',
  help: 'Makes batches of another size.',
  inputs: { images: port('IMAGE'), batch_size: int({ default: 1, min: 1, max: 4096 }) },
  outputs: { IMAGE: 'IMAGE' },
  inputIsList: true,
  listOutputs: ['IMAGE'],
  run({ images, batch_size: [size = 1] }) {
    const singles = images.flatMap((batch) => pictures(batch))
    const IMAGE: Tensor[] = []
    for (let at = 0; at < singles.length; at += size) IMAGE.push(together(singles.slice(at, at + size)))
    return { IMAGE }
  },
})
