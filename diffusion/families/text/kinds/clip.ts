/** CLIP's text model: as transformers saves it, or as OpenCLIP does (SD 2, SDXL's second encoder), whose projections of q, k and v are one. */
import { rowsOf, type StoredTensor, type Weights } from '../../../onnx/weights.ts'
import { parseClipConfig, type ClipConfig } from '../clip.ts'
import { ClipEncoder } from '../encoders.ts'
import type { EncoderKind } from '../kind.ts'
import { openTokenizerAt } from '../tokenizer.ts'

const SIGNS = ['text_model.embeddings.token_embedding.weight', 'transformer.resblocks.0.attn.in_proj_weight']
const WORDS = 'text_model.embeddings.token_embedding.weight'
const POSITIONS = 'text_model.embeddings.position_embedding.weight'
/** Head size of every published CLIP. */
const HEAD = 64
/** Width of OpenAI's, whose activation OpenCLIP's larger ones do not share. */
const OPENAI_WIDTH = 768
/** Stands in early configurations for: the pooled text is that of the largest token id, which ends a text in CLIP's vocabulary. */
const EOS = 2
/** What OpenCLIP's texts are padded with: the token 0. */
const OPEN_CLIP_PAD = '!'

const OPEN_CLIP_OUTER: Readonly<Record<string, string>> = {
  'token_embedding.weight': WORDS,
  positional_embedding: POSITIONS,
  'ln_final.weight': 'text_model.final_layer_norm.weight',
  'ln_final.bias': 'text_model.final_layer_norm.bias',
  text_projection: 'text_projection',
  'text_projection.weight': 'text_projection.weight',
}

const OPEN_CLIP_LAYER: Readonly<Record<string, string>> = {
  ln_1: 'layer_norm1',
  ln_2: 'layer_norm2',
  'mlp.c_fc': 'mlp.fc1',
  'mlp.c_proj': 'mlp.fc2',
  'attn.out_proj': 'self_attn.out_proj',
}

/** The tensor under its name in transformers; three for the joined projections of q, k and v. */
function fromOpenClip(key: string, stored: StoredTensor): [string, StoredTensor][] {
  const outer = OPEN_CLIP_OUTER[key]
  if (outer) return [[outer, stored]]
  const inner = /^transformer\.resblocks\.(\d+)\.(.+?)[._](weight|bias)$/.exec(key)
  if (!inner) return []
  const [, index, module = '', leaf = ''] = inner
  const layer = `text_model.encoder.layers.${index}`
  const width = (stored.shape[0] ?? 0) / 3
  if (module === 'attn.in_proj')
    return ['q_proj', 'k_proj', 'v_proj'].map((name, i): [string, StoredTensor] => [
      `${layer}.self_attn.${name}.${leaf}`,
      rowsOf(stored, i * width, (i + 1) * width),
    ])
  const renamed = OPEN_CLIP_LAYER[module]
  return renamed ? [[`${layer}.${renamed}.${leaf}`, stored]] : []
}

const extent = (tensors: Weights['tensors'], key: string, axis: number): number => tensors.get(key)?.shape[axis] ?? 0

function inferred({ tensors, where }: Weights): ClipConfig {
  const width = extent(tensors, WORDS, 1)
  if (width % HEAD !== 0)
    throw new Error(`${where}: a CLIP of width ${width}, no multiple of ${HEAD}, needs its config.json beside it`)
  let layers = 0
  while (tensors.has(`text_model.encoder.layers.${layers}.layer_norm1.weight`)) layers++
  return {
    ...{ width, layers },
    heads: width / HEAD,
    positions: extent(tensors, POSITIONS, 0),
    epsilon: 1e-5,
    activation: width === OPENAI_WIDTH ? 'quick_gelu' : 'gelu',
    eosToken: EOS,
  }
}

export default {
  name: 'clip',
  modelTypes: ['clip_text_model', 'clip'],
  signs: SIGNS,
  canonical: (tensors) =>
    tensors.has(WORDS) ? tensors : new Map([...tensors].flatMap(([key, stored]) => fromOpenClip(key, stored))),
  width: (tensors) => extent(tensors, WORDS, 1),
  async open({ weights, config, tokenizer }) {
    const parsed = config ? parseClipConfig(config, `config.json of ${weights.where}`) : inferred(weights)
    const pad = parsed.activation === 'gelu' ? { pad: OPEN_CLIP_PAD } : {}
    const options = { limit: parsed.positions, name: 'the CLIP text encoder', ...pad }
    return new ClipEncoder(parsed, weights, await openTokenizerAt(tokenizer, options))
  },
} satisfies EncoderKind<ClipEncoder>
