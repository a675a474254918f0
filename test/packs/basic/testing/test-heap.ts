/** TestHeap: fills the JavaScript heap with 8 MB `value` times, and adds to the file `count` that it was run. */
import { appendFileSync } from 'node:fs'
import { defineNode } from '../../../../nodes/define.ts'
import { port } from '../../../../nodes/ports.ts'
import { text } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestHeap',
  category: 'testing',
  help: 'Fills the heap.',
  inputs: { value: port('INT'), count: text() },
  outputs: { INT: 'INT' },
  run({ value, count }) {
    appendFileSync(count, '.')
    const kept: number[][] = []
    while (kept.length < value) kept.push(new Array<number>(1_000_000).fill(kept.length + 0.5))
    return { INT: kept.length }
  },
})
