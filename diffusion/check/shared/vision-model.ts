/** Compares CLIP's vision model with its reference: every layer's state, and the pooled picture. */
import { basename, join } from 'node:path'
import { readJson } from '../../families/json.ts'
import { WeightLookup } from '../../families/lookup.ts'
import { clipVisionGraph, parseClipVisionConfig } from '../../families/vision/clip.ts'
import { openWeightsFolder, readTensors } from '../../onnx/weights.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'
import { runOnce } from './run-graph.ts'

const BAR = 1e-4

export async function checkClipVision(dir: string): Promise<readonly CheckResult[]> {
  const comparison = new Comparison(basename(dir), 'model', BAR)
  const file = join(dir, 'config.json')
  const config = parseClipVisionConfig(await readJson(file), file)
  const graph = clipVisionGraph(config, new WeightLookup(await openWeightsFolder(dir)), true)
  const inputs = await readTensors(join(dir, 'inputs.safetensors'))
  const theirs = await readTensors(join(dir, 'outputs.safetensors'))
  const ours = await runOnce(graph, { pixels: inputs['pixel_values']! }, basename(dir))
  for (const key of Object.keys(theirs).filter((k) => k.startsWith('hidden_states.')))
    comparison.add(key, ours[`hidden.${key.slice('hidden_states.'.length)}`], theirs[key])
  comparison.add('last_hidden_state', ours['last'], theirs['last_hidden_state'])
  comparison.add('pooler_output', ours['pooled'], theirs['pooler_output'])
  if (theirs['image_embeds']) comparison.add('image_embeds', ours['projected'], theirs['image_embeds'])
  return [comparison.result()]
}
