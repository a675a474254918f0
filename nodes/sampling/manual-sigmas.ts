/** ManualSigmas: noise levels written down. */
import { defineNode } from '../define.ts'
import { text } from '../spec.ts'

const NUMBER = /[-+]?(?:\d*\.*\d+)/g

export default defineNode({
  type: 'ManualSigmas',
  category: 'sampling',
  title: 'ManualSigmas',
  help: 'The numbers of a text as noise levels, one more than there are to be steps.',
  inputs: { sigmas: text({ default: '1, 0.5', help: 'Falling numbers, with anything between them.' }) },
  outputs: { SIGMAS: 'SIGMAS' },
  run: ({ sigmas }) => ({ SIGMAS: [...sigmas.matchAll(NUMBER)].map(([number]) => Math.fround(Number(number))) }),
})
