/** A process that opens a small graph on the device of its environment, holds the result against the CPU's, and reports. */
import { tensor, type Tensor } from '../tensor.ts'
import { onWarning } from './fallback.ts'
import { Graph, type Model } from './graph.ts'
import { attention, plainLayerNorm } from './ops.ts'
import { currentDevice, FACTS, REPORT_MARK, useDevice, type Trial } from './providers.ts'
import { backends, openSession } from './session.ts'

const [TOKENS, WIDTH, HEADS, PRODUCTS] = [512, 512, 8, 16]
/**
 * Largest relative L2 difference: CUDA multiplies in TF32 by default (10 bits of mantissa, some 1e-3 over this chain); a wrong
 * attention kernel was seen to give 4e-2.
 */
const TOLERANCE = 5e-3

/** What models are made of: products, a norm, attention, an activation. */
function graph(): Model {
  const g = new Graph()
  const x = g.input('x', ['B', 'T', WIDTH])
  const weight = g.input('w', [WIDTH, WIDTH])
  const normed = plainLayerNorm(g, x, WIDTH, 1e-6)
  const attended = attention(g, normed, normed, normed, { heads: HEADS })
  let rows = g.op('Reshape', [attended, g.ints([-1, WIDTH])])
  for (let i = 0; i < PRODUCTS; i++)
    rows = g.op('Gelu', [g.op('Gemm', [rows, weight], { transB: 1 })], { approximate: 'tanh' })
  g.output('y', g.op('Reshape', [rows, g.op('Shape', [x])]), ['B', 'T', WIDTH])
  return g.build()
}

/** Even values of unit variance; the same at every call. */
function values(count: number, seed: number): Float32Array {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state / 2 ** 31 - 1) * Math.sqrt(3)
  })
}

async function measure(): Promise<{ readonly y: Tensor; readonly milliseconds: number }> {
  const session = await openSession(graph(), 'private', 'trial')
  const scale = Math.sqrt(2 / WIDTH)
  const feeds = {
    x: tensor(values(TOKENS * WIDTH, 1), [1, TOKENS, WIDTH]),
    w: tensor(
      values(WIDTH * WIDTH, 2).map((value) => value * scale),
      [WIDTH, WIDTH],
    ),
  }
  // The first run compiles kernels and, where operators fall back, counts them.
  await session.run(feeds)
  const started = performance.now()
  const { y } = await session.run(feeds)
  const milliseconds = performance.now() - started
  await session.release()
  if (!y) throw new Error('the trial graph gave no output')
  return { y, milliseconds }
}

function relativeL2(got: Float32Array, expected: Float32Array): number {
  let [difference, norm] = [0, 0]
  expected.forEach((value, i) => {
    difference += ((got[i] ?? NaN) - value) ** 2
    norm += value ** 2
  })
  return Math.sqrt(difference / norm)
}

async function trial(): Promise<Trial> {
  const device = currentDevice()
  const { backend } = FACTS[device.provider]
  const known = backends()
  if (!known.includes(backend))
    return { works: false, reason: `onnxruntime-node has no '${backend}' on this platform, only ${known.join(', ')}.` }
  const notes: string[] = []
  onWarning((text) => notes.push(text))
  const there = await measure()
  useDevice({ device: { provider: 'cpu', id: 0 }, reason: 'to compare with' })
  const here = await measure()
  const error = relativeL2(there.y.data, here.y.data)
  // Negated, so that NaN fails.
  if (!(error <= TOLERANCE))
    return {
      works: false,
      reason: `its results are wrong: relative L2 difference ${error.toExponential(1)} from the CPU's.`,
    }
  return { works: true, milliseconds: there.milliseconds, cpuMilliseconds: here.milliseconds, notes }
}

/** ONNX Runtime puts the place in its own source in front, up to the condition that failed. */
const plain = (error: unknown): string =>
  ((error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '').replace(
    /\/onnxruntime_src\/.* was false\. /,
    '',
  )

const report = await trial().catch((error: unknown): Trial => ({ works: false, reason: `${plain(error)}.` }))
process.stdout.write(`${REPORT_MARK}${JSON.stringify(report)}\n`)
