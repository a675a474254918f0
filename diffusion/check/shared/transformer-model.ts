/** Compares a transformer with its reference: output, and the state between any two blocks by way of cuts. */
import { basename, join } from 'node:path'
import type { Prepared, Rows } from '../../families/contract.ts'
import { fileExists } from '../../families/json.ts'
import type { CaseReader, TransformerCase } from '../../families/parity.ts'
import { concatRows } from '../../tensor.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'

const BAR = 1e-4

/** Prepared rows of the whole batch of a case, joined, and what they share. */
async function prepareCase(opened: TransformerCase): Promise<{ rows: Rows; shared: Rows }> {
  const { transformer, latent, timestep } = opened
  const prepared: Prepared[] = []
  for (let i = 0; i < (latent.shape[0] ?? 0); i++)
    prepared.push(await transformer.prepare(opened.conditioning(i), latent.shape.slice(1)))
  const names = Object.keys(prepared[0]?.rows ?? {})
  const rows = names.map((name) => [name, concatRows(prepared.map((p) => p.rows[name]!))] as const)
  return { rows: { ...Object.fromEntries(rows), latent, timestep }, shared: prepared[0]!.shared }
}

/** Every state by itself, then whether all states of blocks that the reference has were among them. */
function addStates(comparison: Comparison, states: Rows, opened: TransformerCase): void {
  for (const [name, state] of Object.entries(states)) comparison.add(name, state, opened.outputs[name])
  const left = Object.keys(opened.outputs).filter((name) => /^hidden\..*blocks\.\d/.test(name) && !(name in states))
  for (const name of left) comparison.add(name, undefined, opened.outputs[name])
}

async function compareParts(opened: TransformerCase, comparison: Comparison): Promise<void> {
  const { transformer, outputs } = opened
  const { depth } = transformer.facts
  const { rows, shared } = await prepareCase(opened)
  let state = await transformer.run({ kind: 'embed' }, rows, shared)
  let states = opened.embedded(state)
  const whole = await transformer.run({ kind: 'blocks', from: 0, to: depth }, state, shared)
  for (let i = 0; i < depth; i++) {
    state = await transformer.run({ kind: 'blocks', from: i, to: i + 1 }, state, shared)
    states = { ...states, ...opened.afterBlock(i, state) }
  }
  addStates(comparison, states, opened)
  const head = await transformer.run({ kind: 'head' }, whole, shared)
  comparison.add('output', opened.output(head), outputs['output'])
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
