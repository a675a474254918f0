/** TestAsyncBatchProcessing: inverts the pictures of a batch one after another. */
import { setTimeout as wait } from 'node:timers/promises'
import { defineNode } from '../../../../nodes/define.ts'
import { hidden, port } from '../../../../nodes/ports.ts'
import { float } from '../../../../nodes/spec.ts'
import { tensor } from '../../../../diffusion/tensor.ts'

export default defineNode({
  type: 'TestAsyncBatchProcessing',
  category: 'waiting',
  help: 'Inverts slowly.',
  inputs: {
    images: port('IMAGE'),
    process_time_per_item: float({ default: 0.1, min: 0.01, max: 1 }),
    unique_id: hidden('UNIQUE_ID'),
  },
  outputs: { IMAGE: 'IMAGE' },
  async run({ images, process_time_per_item }, { report }) {
    const [batch = 0] = images.shape
    for (let done = 1; done <= batch; done++) {
      await wait(process_time_per_item * 1000)
      report.progress(done, batch)
    }
    return {
      IMAGE: tensor(
        images.data.map((value) => 1 - value),
        images.shape,
      ),
    }
  },
})
