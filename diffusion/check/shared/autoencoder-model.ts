/** Compares an AutoencoderKL with its reference: encoder, decoder, and the states between their stages. */
import { basename, join } from 'node:path'
import { vaeWeights } from '../../families/vae/autoencoder.ts'
import { parseVaeConfig } from '../../families/vae/config.ts'
import { decoderGraph, encoderGraph } from '../../families/vae/graphs.ts'
import { readJson } from '../../families/json.ts'
import { openWeightsFolder, readTensors } from '../../onnx/weights.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'
import { runOnce } from './run-graph.ts'

const BAR = 1e-4

const map = (a: Tensor, f: (value: number) => number): Tensor => ({ data: a.data.map(f), shape: a.shape })

/** [B, C, H, W] in -1..1 -> [B, H, W, C] in 0..1. */
export function toPixels(picture: Tensor): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = picture.shape
  const out = new Float32Array(picture.data.length)
  const area = height * width
  for (let b = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < area; i++)
        out[(b * area + i) * channels + c] = picture.data[(b * channels + c) * area + i]! / 2 + 0.5
  return tensor(out, [batch, height, width, channels])
}

/** References are in the raw units of the published class; ours are scaled latents and pixels in 0..1, so those are converted. */
export async function checkAutoencoder(dir: string): Promise<readonly CheckResult[]> {
  const comparison = new Comparison(basename(dir), 'model', BAR)
  const config = parseVaeConfig(await readJson(join(dir, 'config.json')), join(dir, 'config.json'))
  const weights = vaeWeights(await openWeightsFolder(dir))
  const inputs = await readTensors(join(dir, 'inputs.safetensors'))
  const outputs = await readTensors(join(dir, 'outputs.safetensors'))
  const { scale, shift } = config
  const pixels = toPixels(inputs['image']!)
  const latent = map(inputs['latent']!, (z) => (z - shift) * scale)
  const options = { taps: true }
  const name = basename(dir)
  const { latent: mean, ...encoded } = await runOnce(encoderGraph(config, weights, options), { pixels }, name)
  const { unclamped, ...decoded } = await runOnce(decoderGraph(config, weights, options), { latent }, name)
  const states: Readonly<Record<string, Tensor>> = { ...encoded, ...decoded }
  for (const key of Object.keys(outputs).filter((k) => k.startsWith('hidden.')))
    comparison.add(key, states[key], outputs[key])
  comparison.add('encode.mean', mean && map(mean, (z) => z / scale + shift), outputs['encode.mean'])
  // Twice the pixel difference, as the reference spans -1..1.
  const expected = map(toPixels(outputs['decode.sample']!), (p) => 2 * p)
  comparison.add('decode.sample', unclamped && map(unclamped, (p) => 2 * p), expected)
  return [comparison.result()]
}
