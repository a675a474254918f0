/** Compares the text encoders with their references: every layer's state, the last one, and the pooled text. */
import { basename, join } from 'node:path'
import { readJson } from '../../families/json.ts'
import { WeightLookup } from '../../families/lookup.ts'
import { causalBias, clipGraph, parseClipConfig, pooledIndex, pooledRow } from '../../families/text/clip.ts'
import { parseT5Config, relativeBuckets, t5Graph } from '../../families/text/t5.ts'
import { openWeightsFolder, readTensors } from '../../onnx/weights.ts'
import { concatRows, row, tensor, type Tensor } from '../../tensor.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'
import { runOnce } from './run-graph.ts'

const BAR = 1e-4
const HIDDEN = -1e30

const asIds = (ids: Tensor) => ({ data: BigInt64Array.from(ids.data, BigInt), shape: ids.shape })

/** Our `hidden.k` against `hidden_states.k`; the last of T5's is stored after the final norm, so `last` stands for it. */
function addStates(
  comparison: Comparison,
  ours: Readonly<Record<string, Tensor>>,
  theirs: Readonly<Record<string, Tensor>>,
) {
  for (const key of Object.keys(theirs).filter((k) => k.startsWith('hidden_states.'))) {
    const index = key.slice('hidden_states.'.length)
    comparison.add(key, ours[`hidden.${index}`] ?? ours['last'], theirs[key])
  }
  comparison.add('last_hidden_state', ours['last'], theirs['last_hidden_state'])
}

export async function checkClip(dir: string): Promise<readonly CheckResult[]> {
  const comparison = new Comparison(basename(dir), 'model', BAR)
  const config = parseClipConfig(await readJson(join(dir, 'config.json')), join(dir, 'config.json'))
  const weights = new WeightLookup(await openWeightsFolder(dir))
  const inputs = await readTensors(join(dir, 'inputs.safetensors'))
  const outputs = await readTensors(join(dir, 'outputs.safetensors'))
  const ids = inputs['input_ids']!
  const [batch = 0, tokens = 0] = ids.shape
  const feeds = { ids: asIds(ids), bias: causalBias(tokens) }
  const states = await runOnce(clipGraph(config, weights, true), feeds, basename(dir))
  addStates(comparison, states, outputs)
  const pooled = (from: Tensor): Tensor =>
    concatRows(
      Array.from({ length: batch }, (_, i) =>
        pooledRow(row(from, i), pooledIndex([...row(ids, i).data], config.eosToken)),
      ),
    )
  const { projected, last } = states
  if (projected) comparison.add('text_embeds', pooled(projected), outputs['text_embeds'])
  else comparison.add('pooler_output', pooled(last!), outputs['pooler_output'])
  return [comparison.result()]
}

export async function checkT5(dir: string): Promise<readonly CheckResult[]> {
  const comparison = new Comparison(basename(dir), 'model', BAR)
  const config = parseT5Config(await readJson(join(dir, 'config.json')), join(dir, 'config.json'))
  const weights = new WeightLookup(await openWeightsFolder(dir))
  const inputs = await readTensors(join(dir, 'inputs.safetensors'))
  const ids = inputs['input_ids']!
  const [batch = 0, tokens = 0] = ids.shape
  const hidden = inputs['attention_mask']!.data.map((kept) => (kept === 1 ? 0 : HIDDEN))
  const feeds = {
    ids: asIds(ids),
    buckets: { data: relativeBuckets(tokens, config), shape: [tokens, tokens] },
    mask: tensor(hidden, [batch, 1, 1, tokens]),
  }
  const states = await runOnce(t5Graph(config, weights, true), feeds, basename(dir))
  addStates(comparison, states, await readTensors(join(dir, 'outputs.safetensors')))
  return [comparison.result()]
}
