/** Compares a transformer with its reference: output, and the state between any two blocks by way of cuts. */
import { basename, join } from 'node:path'
import type { Prepared, Rows } from '../../families/contract.ts'
import { fileExists } from '../../families/json.ts'
import type { CaseReader, TransformerCase } from '../../families/parity.ts'
import { concatRows, row, sizeOf, tensor, type Tensor } from '../../tensor.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'

const BAR = 1e-4

/** Some rows of the batch that are run together. */
interface Group {
  readonly indices: readonly number[]
  readonly rows: Rows
  readonly shared: Rows
}

const shapesOf = ({ rows }: Prepared): string =>
  JSON.stringify(Object.entries(rows).map(([name, t]) => [name, t.shape]))

/** The whole batch, joined, with what it shares; each row by itself where their prompts differ in length. */
async function groupsOf(opened: TransformerCase): Promise<readonly Group[]> {
  const { transformer, latent, timestep, levels = {} } = opened
  const all = Array.from({ length: latent.shape[0] ?? 0 }, (_, i) => i)
  const prepared: Prepared[] = []
  for (const i of all) prepared.push(await transformer.prepare(opened.conditioning(i), latent.shape.slice(1)))
  const alike = new Set(prepared.map(shapesOf)).size === 1
  return (alike ? [all] : all.map((i) => [i])).map((indices) => {
    const own = (whole: Tensor): Tensor => concatRows(indices.map((i) => row(whole, i)))
    const names = Object.keys(prepared[indices[0]!]!.rows)
    const rows = names.map((name) => [name, concatRows(indices.map((i) => prepared[i]!.rows[name]!))] as const)
    const told = Object.entries({ latent, timestep, ...levels }).map(([name, whole]) => [name, own(whole)] as const)
    return {
      indices,
      rows: Object.fromEntries([...rows, ...told]),
      shared: prepared[indices[0]!]!.shared,
    }
  })
}

/** The first tokens of [B, tokens, width]. */
function firstTokens(whole: Tensor, count: number): Tensor {
  const [batch = 0, tokens = 0, ...rest] = whole.shape
  const [size, data] = [sizeOf(rest), new Float32Array(batch * count * sizeOf(rest))]
  for (let i = 0; i < batch; i++)
    data.set(whole.data.subarray(i * tokens * size, (i * tokens + count) * size), i * count * size)
  return tensor(data, [batch, count, ...rest])
}

/** Adds states of a group: against the group's rows of the reference, without the padding that is not carried. */
class GroupComparison {
  readonly #comparison: Comparison
  readonly #opened: TransformerCase
  readonly #indices: readonly number[]

  constructor(comparison: Comparison, opened: TransformerCase, { indices }: Group) {
    this.#comparison = comparison
    this.#opened = opened
    this.#indices = indices
  }

  add(name: string, state: Tensor | undefined): void {
    const { latent, outputs, textTokens } = this.#opened
    const whole = outputs[name]
    const own = whole && concatRows(this.#indices.map((i) => row(whole, i)))
    const text = textTokens?.(this.#indices[0]!)
    const cut = own && text !== undefined && state?.shape[1] === text ? firstTokens(own, text) : own
    const label = this.#indices.length === latent.shape[0] ? '' : `, row ${this.#indices.join()}`
    this.#comparison.add(name + label, state, cut)
  }

  /** Every state by itself, then whether all states of blocks that the reference has were among them. */
  addStates(states: Rows): void {
    for (const [name, state] of Object.entries(states)) this.add(name, state)
    const all = Object.keys(this.#opened.outputs)
    for (const name of all)
      if (/^hidden\..*(blocks|layers)\.\d/.test(name) && !(name in states)) this.add(name, undefined)
  }
}

async function compareGroup(opened: TransformerCase, group: Group, comparison: GroupComparison): Promise<void> {
  const { transformer } = opened
  const { depth } = transformer.facts
  const { rows, shared } = group
  let state = await transformer.run({ kind: 'embed' }, rows, shared)
  let states = opened.embedded(state, shared)
  const whole = await transformer.run({ kind: 'blocks', from: 0, to: depth }, state, shared)
  for (let i = 0; i < depth; i++) {
    state = await transformer.run({ kind: 'blocks', from: i, to: i + 1 }, state, shared)
    states = { ...states, ...opened.afterBlock(i, state) }
  }
  comparison.addStates(states)
  comparison.add('output', opened.output(await transformer.run({ kind: 'head' }, whole, shared)))
}

async function compareParts(opened: TransformerCase, comparison: Comparison): Promise<void> {
  for (const group of await groupsOf(opened))
    await compareGroup(opened, group, new GroupComparison(comparison, opened, group))
}

async function checkFile(reader: CaseReader, dir: string, file: string, label: string): Promise<CheckResult> {
  const comparison = new Comparison(`${basename(dir)}${label}`, 'model', BAR)
  const opened = await reader.open(dir, file)
  try {
    await compareParts(opened, comparison)
  } finally {
    await opened.transformer.release()
  }
  return comparison.result()
}

/** One result for the diffusers file, one more for `original_keys.safetensors` where the case has it. */
export async function checkTransformer(reader: CaseReader, dir: string): Promise<readonly CheckResult[]> {
  const results = [await checkFile(reader, dir, 'diffusion_pytorch_model.safetensors', '')]
  const original = 'original_keys.safetensors'
  return (await fileExists(join(dir, original)))
    ? [...results, await checkFile(reader, dir, original, ' (original keys)')]
    : results
}
