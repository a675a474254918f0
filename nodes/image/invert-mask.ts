/** InvertMask: 1 where a mask was 0. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'InvertMask',
  category: 'image',
  title: 'InvertMask',
  help: 'Every value taken from 1.',
  inputs: { mask: port('MASK') },
  outputs: { MASK: 'MASK' },
  run: ({ mask: { data, shape } }) => ({ MASK: { data: data.map((value) => 1 - value), shape } }),
})
