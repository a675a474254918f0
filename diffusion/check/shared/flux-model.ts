/** Compares a FLUX transformer with its reference: output, and the state between any two blocks by way of cuts. */
import { basename, join } from 'node:path'
import type { Prepared, Rows } from '../../families/contract.ts'
import { fileExists } from '../../families/json.ts'
import { concatRows } from '../../tensor.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'
import { openFluxCase, type FluxCase } from './flux-case.ts'

const BAR = 1e-4

/** Prepared rows of the whole batch of a case, joined, and what they share. */
async function prepareCase(opened: FluxCase): Promise<{ rows: Rows; shared: Rows }> {
  const batch = opened.inputs['timestep']!.shape[0] ?? 0
  const prepared: Prepared[] = []
  for (let i = 0; i < batch; i++)
    prepared.push(await opened.transformer.prepare(opened.conditioning(i), opened.latentShape))
  const names = Object.keys(prepared[0]?.rows ?? {})
  const rows = names.map((name) => [name, concatRows(prepared.map((p) => p.rows[name]!))] as const)
  const latent = opened.toLatent(opened.inputs['hidden_states']!)
  return {
    rows: { ...Object.fromEntries(rows), latent, sigma: opened.inputs['timestep']! },
    shared: prepared[0]!.shared,
  }
}

async function compareParts(opened: FluxCase, comparison: Comparison): Promise<void> {
  const { transformer, outputs, doubleBlocks } = opened
  const { rows, shared } = await prepareCase(opened)
  let state = await transformer.run({ kind: 'embed' }, rows, shared)
  comparison.add('hidden.context_embedder', state['text'], outputs['hidden.context_embedder'])
  comparison.add('hidden.time_text_embed', state['temb'], outputs['hidden.time_text_embed'])
  comparison.add('hidden.x_embedder', state['image'], outputs['hidden.x_embedder'])
  const whole = await transformer.run({ kind: 'blocks', from: 0, to: transformer.facts.depth }, state, shared)
  for (let i = 0; i < transformer.facts.depth; i++) {
    state = await transformer.run({ kind: 'blocks', from: i, to: i + 1 }, state, shared)
    const single = i - doubleBlocks
    const name = single < 0 ? `hidden.transformer_blocks.${i}` : `hidden.single_transformer_blocks.${single}`
    comparison.add(`${name}.0`, state['text'], outputs[`${name}.0`])
    comparison.add(`${name}.1`, state['image'], outputs[`${name}.1`])
  }
  const { prediction } = await transformer.run({ kind: 'head' }, whole, shared)
  comparison.add('output', opened.toTokens(prediction!), outputs['output'])
}

async function checkFile(dir: string, file: string, label: string): Promise<CheckResult> {
  const comparison = new Comparison(`${basename(dir)}${label}`, 'model', BAR)
  const opened = await openFluxCase(dir, file)
  try {
    await compareParts(opened, comparison)
  } finally {
    await opened.transformer.release()
  }
  return comparison.result()
}

/** One result for the diffusers file, one more for `original_keys.safetensors` where the case has it. */
export async function checkFlux(dir: string): Promise<readonly CheckResult[]> {
  const results = [await checkFile(dir, 'diffusion_pytorch_model.safetensors', '')]
  const original = 'original_keys.safetensors'
  return (await fileExists(join(dir, original)))
    ? [...results, await checkFile(dir, original, ' (original keys)')]
    : results
}
