/** TestAccumulationGetItemNode: one value of an accumulation; from the end for negative places. */
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { int } from '../../../../nodes/spec.ts'
import '../flow/helpers/ports.ts'

export default defineNode({
  type: 'TestAccumulationGetItemNode',
  category: 'lists',
  help: 'Takes one.',
  inputs: { accumulation: port('ACCUMULATION'), index: int({ default: 0, min: -1_000_000, max: 1_000_000, step: 1 }) },
  outputs: { '*': '*' },
  run: ({ accumulation, index }) => ({ '*': accumulation.at(index) }),
})
