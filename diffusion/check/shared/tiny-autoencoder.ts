/** Compares TAESD with its reference: encoder, decoder, and the states between their layers. */
import { basename, join } from 'node:path'
import { readJson } from '../../families/json.ts'
import { taesdScale, taesdSide, taesdTensors } from '../../families/vae/taesd.ts'
import { taesdDecoderGraph, taesdEncoderGraph } from '../../families/vae/taesd-graphs.ts'
import { openWeightsFolder, readTensors } from '../../onnx/weights.ts'
import type { Tensor } from '../../tensor.ts'
import { toPixels } from './autoencoder-model.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'
import { runOnce } from './run-graph.ts'

const BAR = 1e-4

const map = (a: Tensor, f: (value: number) => number): Tensor => ({ data: a.data.map(f), shape: a.shape })

/** References are pictures in -1..1 and raw latents; ours are pixels in 0..1 and latents in the sampler's scale. */
export async function checkTinyAutoencoder(dir: string): Promise<readonly CheckResult[]> {
  const comparison = new Comparison(basename(dir), 'model', BAR)
  const config = join(dir, 'config.json')
  const scale = taesdScale(await readJson(config), config)
  const tensors = taesdTensors((await openWeightsFolder(dir)).tensors)
  const [encoder, decoder] = (['encoder.layers', 'decoder.layers'] as const).map(
    (prefix) => tensors && taesdSide(tensors, prefix, scale),
  )
  if (!encoder || !decoder) throw new Error(`${dir}: no TAESD with both an encoder and a decoder`)
  const inputs = await readTensors(join(dir, 'inputs.safetensors'))
  const outputs = await readTensors(join(dir, 'outputs.safetensors'))
  const [options, name] = [{ taps: true }, basename(dir)]
  const pixels = toPixels(inputs['image']!)
  const latent = map(inputs['latent']!, (z) => z * scale)
  const { latent: encoded, ...down } = await runOnce(taesdEncoderGraph(encoder, options), { pixels }, name)
  const { unclamped, ...up } = await runOnce(taesdDecoderGraph(decoder, options), { latent }, name)
  const states: Readonly<Record<string, Tensor>> = { ...down, ...up }
  for (const key of Object.keys(outputs).filter((k) => k.startsWith('hidden.')))
    comparison.add(key, states[key], outputs[key])
  comparison.add('encode.latents', encoded && map(encoded, (z) => z / scale), outputs['encode.latents'])
  // Twice the pixel difference, as the reference spans -1..1.
  const expected = map(toPixels(outputs['decode.sample']!), (p) => 2 * p)
  comparison.add('decode.sample', unclamped && map(unclamped, (p) => 2 * p), expected)
  return [comparison.result()]
}
