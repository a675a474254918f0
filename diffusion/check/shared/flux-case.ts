/** Opens a parity folder of a tiny FLUX model: its transformer, its reference tensors, and token order to latent order and back. */
import { join } from 'node:path'
import type { Conditioning, Transformer } from '../../families/contract.ts'
import flux from '../../families/flux/family.ts'
import { readJson } from '../../families/json.ts'
import { openWeights, readTensors } from '../../onnx/weights.ts'
import { row, tensor, type Tensor } from '../../tensor.ts'

export interface FluxCase {
  readonly transformer: Transformer
  /** Every tensor of inputs.safetensors. */
  readonly inputs: Readonly<Record<string, Tensor>>
  /** Every tensor of outputs.safetensors. */
  readonly outputs: Readonly<Record<string, Tensor>>
  /** Number of double blocks: `transformer_blocks.i` is block i, `single_transformer_blocks.i` block doubleBlocks + i. */
  readonly doubleBlocks: number
  /** [C, H, W] of the latent that the reference packed into tokens. */
  readonly latentShape: readonly number[]
  /** Conditioning of one row of the batch. */
  conditioning(index: number): Conditioning
  /** Packed tokens [B, h w, 4 C] -> latent [B, C, 2h, 2w], the inverse of diffusers' packing. */
  toLatent(tokens: Tensor): Tensor
  /** Latent [B, C, 2h, 2w] -> packed tokens [B, h w, 4 C]. */
  toTokens(latent: Tensor): Tensor
}

/** Visits every value of a packing: index among tokens, index in the latent. */
function eachCell(batch: number, shape: readonly number[], visit: (token: number, cell: number) => void): void {
  const [channels = 0, height = 0, width = 0] = shape
  for (let b = 0, cell = 0; b < batch; b++)
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++, cell++) {
          const token = (b * (height / 2) + (y >> 1)) * (width / 2) + (x >> 1)
          visit(token * channels * 4 + c * 4 + (y & 1) * 2 + (x & 1), cell)
        }
}

/** Opens `dir` with the weights in `file`, in either layout. Throws when the file is no FLUX model. */
export async function openFluxCase(dir: string, file = 'diffusion_pytorch_model.safetensors'): Promise<FluxCase> {
  const config = await readJson(join(dir, 'config.json'))
  const fits = flux.fits(await openWeights(join(dir, file)), config)
  const fit = fits.find(({ share }) => share === 1)
  if (!fit)
    throw new Error(`${join(dir, file)}: ${fits.map((f) => `not ${f.label}: ${f.misfits[0] ?? ''}`).join('; ')}`)
  const inputs = await readTensors(join(dir, 'inputs.safetensors'))
  const outputs = await readTensors(join(dir, 'outputs.safetensors'))
  const { transformer, latentChannels } = fit.open()
  const ids = inputs['img_ids']!.data
  const [h, w] = [ids[ids.length - 2]! + 1, ids[ids.length - 1]! + 1]
  const latentShape = [latentChannels, 2 * h, 2 * w]
  return {
    transformer,
    inputs,
    outputs,
    doubleBlocks: Number(config['num_layers']),
    latentShape,
    conditioning(index) {
      const guidance = inputs['guidance']?.data[index]
      return {
        tokens: row(inputs['encoder_hidden_states']!, index),
        pooled: row(inputs['pooled_projections']!, index),
        extras: guidance === undefined ? {} : { guidance },
      }
    },
    toLatent(tokens) {
      const out = new Float32Array(tokens.data.length)
      const batch = tokens.shape[0] ?? 0
      eachCell(batch, latentShape, (token, cell) => (out[cell] = tokens.data[token]!))
      return tensor(out, [batch, ...latentShape])
    },
    toTokens(latent) {
      const out = new Float32Array(latent.data.length)
      const batch = latent.shape[0] ?? 0
      eachCell(batch, latentShape, (token, cell) => (out[token] = latent.data[cell]!))
      return tensor(out, [batch, h * w, 4 * latentChannels])
    },
  }
}
