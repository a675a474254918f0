/** Compares WAN's video autoencoder with its reference: posterior and decoded frames, as the program runs it. */
import { basename, join } from 'node:path'
import { readJson } from '../../families/json.ts'
import { WanAutoencoder } from '../../families/vae/wan.ts'
import { parseWanVaeConfig } from '../../families/vae/wan-config.ts'
import { openWeightsFolder, readTensors } from '../../onnx/weights.ts'
import { tensor, type Tensor } from '../../tensor.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'

const BAR = 1e-4

/** [1, C, F, H, W] in -1..1 -> [F, H, W, C] in 0..1. */
function toPixels({ data, shape }: Tensor): Tensor {
  const [, channels = 0, frames = 0, height = 0, width = 0] = shape
  const cells = frames * height * width
  const out = new Float32Array(data.length)
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < cells; i++) out[i * channels + c] = data[c * cells + i]! / 2 + 0.5
  return tensor(out, [frames, height, width, channels])
}

/** Every value of a latent [1, C, ..] by its channel. */
function byChannel({ data, shape }: Tensor, f: (value: number, channel: number) => number): Tensor {
  const plane = data.length / (shape[1] ?? 1)
  return { data: data.map((value, i) => f(value, Math.floor(i / plane))), shape }
}

/** References are in the raw units of the published class; ours are scaled latents and pixels in 0..1, so those are converted. */
export async function checkWanAutoencoder(dir: string): Promise<readonly CheckResult[]> {
  const comparison = new Comparison(basename(dir), 'model', BAR)
  const file = join(dir, 'config.json')
  const config = parseWanVaeConfig(await readJson(file), file)
  const vae = new WanAutoencoder(config, await openWeightsFolder(dir))
  const [inputs, outputs] = [
    await readTensors(join(dir, 'inputs.safetensors')),
    await readTensors(join(dir, 'outputs.safetensors')),
  ]
  const { mean, deviation } = config
  try {
    const encoded = await vae.posterior(toPixels(inputs['video']!))
    comparison.add(
      'encode.mean',
      byChannel(encoded.mean, (z, c) => z * deviation[c]! + mean[c]!),
      outputs['encode.mean'],
    )
    comparison.add('encode.logvar', encoded.logvar, outputs['encode.logvar'])
    const decoded = await vae.decode(byChannel(inputs['latent']!, (z, c) => (z - mean[c]!) / deviation[c]!))
    // Twice the pixel difference, as the reference spans -1..1.
    const twice = (pixels: Tensor): Tensor => ({ ...pixels, data: pixels.data.map((p) => 2 * p) })
    comparison.add('decode.sample', twice(decoded), twice(toPixels(outputs['decode.sample']!)))
  } finally {
    await vae.release()
  }
  return [comparison.result()]
}
