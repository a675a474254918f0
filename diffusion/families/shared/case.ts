/** What all readers of parity cases do: open the model by its configuration, and read the reference's tensors. */
import { join } from 'node:path'
import { openWeights, readTensors } from '../../onnx/weights.ts'
import { concatRows, row, tensor, type Tensor } from '../../tensor.ts'
import type { Rows, Transformer } from '../contract.ts'
import type { Family } from '../family.ts'
import { readJson } from '../json.ts'

export interface OpenedCase {
  readonly transformer: Transformer
  /** Every tensor of inputs.safetensors. */
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly outputs: Readonly<Record<string, Tensor>>
  /** The input of this name; throws when the case has none. */
  readonly input: (name: string) => Tensor
}

/** Opens `dir` with the weights in `file`, in any layout. Throws when the file does not fit the family. */
export async function openCase(family: Pick<Family, 'fits'>, dir: string, file: string): Promise<OpenedCase> {
  const path = join(dir, file)
  const fits = family.fits(await openWeights(path), await readJson(join(dir, 'config.json')))
  const fit = fits.find(({ share }) => share === 1)
  if (!fit) throw new Error(`${path}: ${fits.map((f) => `not ${f.label}: ${f.misfits[0] ?? ''}`).join('; ')}`)
  const inputs = await readTensors(join(dir, 'inputs.safetensors'))
  const { transformer } = fit.open()
  return {
    transformer,
    inputs,
    outputs: await readTensors(join(dir, 'outputs.safetensors')),
    input(name) {
      const found = inputs[name]
      if (!found) throw new Error(`${dir}: inputs.safetensors has no ${name}; it has ${Object.keys(inputs).join(', ')}`)
      return found
    },
  }
}

/** prediction [B, C, H, W], and variance after it where there is one, as the reference's output [B, C or 2 C, H, W]. */
export function withVariance({ prediction, variance }: Rows): Tensor {
  if (!prediction) throw new Error("the head gave no 'prediction'")
  if (!variance) return prediction
  const [batch = 0, channels = 0, height = 0, width = 0] = prediction.shape
  const samples = Array.from({ length: batch }, (_, i) => [row(prediction, i).data, row(variance, i).data]).flat()
  const data = concatRows(samples.map((values) => tensor(values, [1, values.length]))).data
  return tensor(data, [batch, 2 * channels, height, width])
}
