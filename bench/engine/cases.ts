/** What is measured of the engine, beside what ComfyUI needs for the same and what is aimed at. */
import { chain, wide, type Load } from './load.ts'

export interface Case {
  readonly name: string
  readonly unit: 'ms' | 'prompts/s' | 'kB'
  /** ComfyUI 0.8.0 with its default cache, on a machine of the same kind. */
  readonly comfyui: string
  /** The value to reach: at most for times and sizes, at least for rates. */
  readonly target: number | null
  readonly measure: (load: Load, runs: number) => Promise<readonly number[]>
}

let fresh = Math.floor(Math.random() * 1e9)

/** Several runs one after another, each with a value of its own. */
async function each(runs: number, run: () => Promise<number>): Promise<number[]> {
  const values: number[] = []
  for (let i = 0; i < runs; i++) values.push(await run())
  return values
}

const chainOf =
  (length: number): Case['measure'] =>
  (load, runs) =>
    each(runs, () => load.timed(chain(length, fresh++)))

/** Prompts per second of two nodes each, until all have run. */
const rateOf =
  (posters: number): Case['measure'] =>
  (load, runs) =>
    each(Math.ceil(runs / 3), async () => (await load.rate(() => chain(2, fresh++), 2000, posters)).finished)

export const CASES: readonly Case[] = [
  { name: 'chain of 10, post to end event', unit: 'ms', comfyui: '4.6', target: null, measure: chainOf(10) },
  { name: 'chain of 200', unit: 'ms', comfyui: '437 to 637', target: 20, measure: chainOf(200) },
  {
    ...{ name: 'chain of 200, all cached', unit: 'ms', comfyui: '760', target: 10 },
    async measure(load, runs) {
      const value = fresh++
      await load.timed(chain(200, value))
      return each(runs, () => load.timed(chain(200, value)))
    },
  },
  { name: 'chain of 500', unit: 'ms', comfyui: '4600', target: 50, measure: chainOf(500) },
  {
    ...{ name: 'chain of 10,000', unit: 'ms', comfyui: 'refuses 1,000', target: null },
    measure: (load, runs) => chainOf(10_000)(load, Math.ceil(runs / 5)),
  },
  {
    ...{ name: '1 constant, 100 adders, 100 outputs', unit: 'ms', comfyui: '119', target: null },
    measure: (load, runs) => each(runs, () => load.timed(wide(100, fresh++))),
  },
  {
    ...{ name: 'events of a chain of 200', unit: 'kB', comfyui: '8000', target: 1000 },
    async measure(load) {
      const before = load.bytes
      await load.timed(chain(200, fresh++))
      return [(load.bytes - before) / 1000]
    },
  },
  { name: '2 nodes, post to end event', unit: 'ms', comfyui: '3.0', target: null, measure: chainOf(2) },
  { name: 'prompts of 2 nodes, 1 poster', unit: 'prompts/s', comfyui: '498', target: null, measure: rateOf(1) },
  { name: 'prompts of 2 nodes, 8 posters', unit: 'prompts/s', comfyui: '845', target: 2000, measure: rateOf(8) },
]
