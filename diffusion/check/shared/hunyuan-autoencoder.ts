/** Compares HunyuanVideo's autoencoder with its reference: encoder and decoder, both as the program runs them. */
import { basename, join } from 'node:path'
import { readJson } from '../../families/json.ts'
import { HunyuanAutoencoder } from '../../families/vae/hunyuan.ts'
import { parseHunyuanVaeConfig } from '../../families/vae/hunyuan-config.ts'
import { openWeightsFolder, readTensors } from '../../onnx/weights.ts'
import { Comparison } from './compare.ts'
import type { CheckResult } from './contract.ts'

const BAR = 1e-4

export async function checkHunyuanAutoencoder(dir: string): Promise<readonly CheckResult[]> {
  const comparison = new Comparison(basename(dir), 'model', BAR)
  const file = join(dir, 'config.json')
  const config = parseHunyuanVaeConfig(await readJson(file), file)
  const autoencoder = new HunyuanAutoencoder(config, await openWeightsFolder(dir))
  const { sample, latent } = await readTensors(join(dir, 'inputs.safetensors'))
  const outputs = await readTensors(join(dir, 'outputs.safetensors'))
  if (!sample || !latent) throw new Error(`${dir}: inputs.safetensors must have sample and latent`)
  try {
    comparison.add('encode.mean', await autoencoder.encodeRaw(sample), outputs['encode.mean'])
    comparison.add('decode.sample', await autoencoder.decodeRaw(latent), outputs['decode.sample'])
  } finally {
    await autoencoder.release()
  }
  return [comparison.result()]
}
