/** Compares a decoder-only language model with its reference: the embeddings and the state after every layer. */
import { basename, join } from 'node:path'
import { readJson } from '../../families/json.ts'
import { WeightLookup } from '../../families/lookup.ts'
import { decoderBias, llamaGraph, parseLlamaConfig, textRotation } from '../../families/text/llama.ts'
import { openWeightsFolder, readTensors } from '../../onnx/weights.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'
import { runOnce } from './run-graph.ts'

const BAR = 1e-4
const MODEL_TYPES = ['llama', 'mistral', 'qwen2', 'qwen3']

export async function checkDecoder(dir: string): Promise<readonly CheckResult[]> {
  const comparison = new Comparison(basename(dir), 'model', BAR)
  const file = join(dir, 'config.json')
  const config = parseLlamaConfig(await readJson(file), file, MODEL_TYPES)
  const weights = new WeightLookup(await openWeightsFolder(dir))
  const { input_ids: ids, attention_mask: mask } = await readTensors(join(dir, 'inputs.safetensors'))
  const outputs = await readTensors(join(dir, 'outputs.safetensors'))
  if (!ids || !mask) throw new Error(`${dir}: inputs.safetensors must have input_ids and attention_mask`)
  const every = Array.from({ length: config.layers + 1 }, (_, i) => i)
  const feeds = {
    ids: { data: BigInt64Array.from(ids.data, BigInt), shape: ids.shape },
    ...{ bias: decoderBias(mask), ...textRotation(ids.shape[1] ?? 0, config) },
  }
  const states = await runOnce(llamaGraph(config, weights, every), feeds, basename(dir))
  for (const key of Object.keys(outputs).filter((name) => name.startsWith('hidden_states.')))
    comparison.add(key, states[key.replace('hidden_states', 'state')], outputs[key])
  comparison.add('last_hidden_state', states[`state.${config.layers}`], outputs['last_hidden_state'])
  return [comparison.result()]
}
