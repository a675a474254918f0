/** Tells decoder-only language models apart by their keys, and reads their sizes from the shapes. */
import type { Weights } from '../../onnx/weights.ts'
import type { LlamaConfig } from './llama.ts'

/** What sets the descendants of LLaMA apart: biases of the projections (Qwen2), norms of the heads (Qwen3). */
export interface Traits {
  readonly bias: boolean
  readonly headNorm: boolean
}

/** Whether the keys (prefix taken off) are those of a model with these traits. */
export const isDecoder = (tensors: Weights['tensors'], { bias, headNorm }: Traits): boolean =>
  tensors.has('layers.0.mlp.gate_proj.weight') &&
  tensors.has('embed_tokens.weight') &&
  tensors.has('layers.0.self_attn.q_proj.bias') === bias &&
  tensors.has('layers.0.self_attn.q_norm.weight') === headNorm

/** What leaves no trace in the shapes. */
export interface Untraced {
  readonly theta: number
  readonly headSize: number
  readonly epsilon: number
}

/** From the shapes; throws, naming the file, when they do not suit the head size. */
export function inferLlamaConfig({ tensors, where }: Weights, { theta, headSize, epsilon }: Untraced): LlamaConfig {
  const rows = (name: string): number => tensors.get(`layers.0.self_attn.${name}.weight`)?.shape[0] ?? 0
  const [heads, keyHeads] = [rows('q_proj') / headSize, rows('k_proj') / headSize]
  if (![heads, keyHeads, heads / keyHeads].every(Number.isInteger))
    throw new Error(`${where}: a language model without heads of ${headSize} values needs its config.json beside it`)
  let layers = 0
  while (tensors.has(`layers.${layers}.mlp.gate_proj.weight`)) layers++
  const width = tensors.get('embed_tokens.weight')?.shape[1] ?? 0
  return { width, heads, keyHeads, headSize, layers, epsilon, theta }
}
