/** Runs blocks of a synthetic checkpoint under a memory budget and prints what the process had in memory at most; a process of its own. */
import { readFileSync } from 'node:fs'
import { memoryBudget } from '../../../diffusion/onnx/budget.ts'
import { Graph, type Value } from '../../../diffusion/onnx/graph.ts'
import { linear } from '../../../diffusion/onnx/ops.ts'
import { Segments } from '../../../diffusion/onnx/segments.ts'
import { openSession } from '../../../diffusion/onnx/session.ts'
import { openWeights } from '../../../diffusion/onnx/weights.ts'
import { zeros } from '../../../diffusion/tensor.ts'

const [file = '', limit = '', width = '', depth = ''] = process.argv.slice(2)

/** Kilobytes, by the kernel's count: resident now, and at most. */
const status = (field: string): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1])

memoryBudget.limit = Number(limit)
const { tensors } = await openWeights(file)
const graph = (from: number, to: number) => {
  const g = new Graph()
  let x: Value = g.input('x', ['B', 'T', Number(width)])
  for (let i = from; i < to; i++) x = linear(g, x, { weight: tensors.get(`${i}.weight`)!, bias: null }, 3)
  g.output('x', x, ['B', 'T', Number(width)])
  return g.build()
}
const segments = new Segments(Number(depth), (from, to) => openSession(graph(from, to), 'mapped', `${from} to ${to}`))
const warm = await openSession(new Graph().build(), 'mapped', 'nothing').catch(() => null)
await warm?.release()
const before = status('VmRSS')
for (let step = 0; step < 2; step++) await segments.run([0, Number(depth)], { x: zeros([1, 16, Number(width)]) }, {})
const { open, peak } = memoryBudget.usage
process.stdout.write(JSON.stringify({ open, peak, resident: 1024 * (status('VmHWM') - before) }))
await segments.release()
