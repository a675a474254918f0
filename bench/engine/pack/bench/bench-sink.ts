/** BenchSink: an output node that takes a number and shows nothing. */
import { defineNode } from '../../../../nodes/define.ts'
import { int } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'BenchSink',
  category: 'bench',
  help: 'Takes a number.',
  inputs: { value: int({ default: 0, min: -1e15, max: 1e15 }) },
  outputs: {},
  isOutput: true,
  run: () => ({}),
})
