/** ImageInvert: the negative of pictures. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'ImageInvert',
  category: 'image',
  title: 'Invert Image',
  help: 'Every value taken from 1.',
  inputs: { image: port('IMAGE') },
  outputs: { IMAGE: 'IMAGE' },
  run: ({ image: { data, shape } }) => ({ IMAGE: { data: data.map((value) => 1 - value), shape } }),
})
