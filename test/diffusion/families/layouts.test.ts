/** HunyuanVideo, FLUX.2, Z-Image and LTX-Video in the keys of their authors' and ComfyUI's files give the same states and outputs. */
import { rm } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { checkCase } from '../../../diffusion/check/index.ts'
import { caseWith, rekeyed, type Rewrites } from './rekeyed.ts'
import { prefixed } from './synthetic.ts'

const tencent: Rewrites = [
  [/^x_embedder\./, 'img_in.'],
  [/^context_embedder\.proj_in\./, 'txt_in.input_embedder.'],
  [/^context_embedder\.time_text_embed\.timestep_embedder\.linear_1\./, 'txt_in.t_embedder.mlp.0.'],
  [/^context_embedder\.time_text_embed\.timestep_embedder\.linear_2\./, 'txt_in.t_embedder.mlp.2.'],
  [/^context_embedder\.time_text_embed\.text_embedder\./, 'txt_in.c_embedder.'],
  [/^context_embedder\.token_refiner\.refiner_blocks\./, 'txt_in.individual_token_refiner.blocks.'],
  [/^(txt_in.*)\.attn\.to_q\./, '$1.self_attn_qkv#0.'],
  [/^(txt_in.*)\.attn\.to_k\./, '$1.self_attn_qkv#1.'],
  [/^(txt_in.*)\.attn\.to_v\./, '$1.self_attn_qkv#2.'],
  [/^(txt_in.*)\.attn\.to_out\.0\./, '$1.self_attn_proj.'],
  [/^(txt_in.*)\.ff\.net\.0\.proj\./, '$1.mlp.fc1.'],
  [/^(txt_in.*)\.ff\.net\.2\./, '$1.mlp.fc2.'],
  [/^(txt_in.*)\.norm_out\.linear\./, '$1.adaLN_modulation.1.'],
  [/^time_text_embed\.timestep_embedder\.linear_1\./, 'time_in.mlp.0.'],
  [/^time_text_embed\.timestep_embedder\.linear_2\./, 'time_in.mlp.2.'],
  [/^time_text_embed\.guidance_embedder\.linear_1\./, 'guidance_in.mlp.0.'],
  [/^time_text_embed\.guidance_embedder\.linear_2\./, 'guidance_in.mlp.2.'],
  [/^time_text_embed\.text_embedder\.linear_1\./, 'vector_in.in_layer.'],
  [/^time_text_embed\.text_embedder\.linear_2\./, 'vector_in.out_layer.'],
  [/^single_transformer_blocks\.(\d+)\.attn\.to_q\./, 'single_blocks.$1.linear1#0.'],
  [/^single_transformer_blocks\.(\d+)\.attn\.to_k\./, 'single_blocks.$1.linear1#1.'],
  [/^single_transformer_blocks\.(\d+)\.attn\.to_v\./, 'single_blocks.$1.linear1#2.'],
  [/^single_transformer_blocks\.(\d+)\.proj_mlp\./, 'single_blocks.$1.linear1#3.'],
  [/^single_transformer_blocks\.(\d+)\.proj_out\./, 'single_blocks.$1.linear2.'],
  [/^single_transformer_blocks\.(\d+)\.attn\.norm_([qk])\./, 'single_blocks.$1.$2_norm.'],
  [/^single_transformer_blocks\.(\d+)\.norm\.linear\./, 'single_blocks.$1.modulation.linear.'],
  [/^transformer_blocks\./, 'double_blocks.'],
  [/\.norm1\.linear\./, '.img_mod.linear.'],
  [/\.norm1_context\.linear\./, '.txt_mod.linear.'],
  [/\.attn\.norm_([qk])\./, '.img_attn_$1_norm.'],
  [/\.attn\.norm_added_([qk])\./, '.txt_attn_$1_norm.'],
  [/\.attn\.to_q\./, '.img_attn_qkv#0.'],
  [/\.attn\.to_k\./, '.img_attn_qkv#1.'],
  [/\.attn\.to_v\./, '.img_attn_qkv#2.'],
  [/\.attn\.add_q_proj\./, '.txt_attn_qkv#0.'],
  [/\.attn\.add_k_proj\./, '.txt_attn_qkv#1.'],
  [/\.attn\.add_v_proj\./, '.txt_attn_qkv#2.'],
  [/\.attn\.to_out\.0\./, '.img_attn_proj.'],
  [/\.attn\.to_add_out\./, '.txt_attn_proj.'],
  [/\.ff\.net\.0\.proj\./, '.img_mlp.fc1.'],
  [/\.ff\.net\.2\./, '.img_mlp.fc2.'],
  [/\.ff_context\.net\.0\.proj\./, '.txt_mlp.fc1.'],
  [/\.ff_context\.net\.2\./, '.txt_mlp.fc2.'],
  [/^norm_out\.linear\./, '~final_layer.adaLN_modulation.1.'],
  [/^proj_out\./, 'final_layer.linear.'],
]

/** What ComfyUI makes of Tencent's keys when it loads them, and keeps in files it saves. */
const comfyui: Rewrites = [
  ...tencent,
  [/txt_in\.t_embedder\.mlp\.0\./, 'txt_in.t_embedder.in_layer.'],
  [/txt_in\.t_embedder\.mlp\.2\./, 'txt_in.t_embedder.out_layer.'],
  [/txt_in\.c_embedder\.linear_1\./, 'txt_in.c_embedder.in_layer.'],
  [/txt_in\.c_embedder\.linear_2\./, 'txt_in.c_embedder.out_layer.'],
  [/_mod\.linear\./, '_mod.lin.'],
  [/_attn_qkv/, '_attn.qkv'],
  [/mlp\.fc1\./, 'mlp.0.'],
  [/mlp\.fc2\./, 'mlp.2.'],
  [/_attn_q_norm\.weight/, '_attn.norm.query_norm.scale'],
  [/_attn_k_norm\.weight/, '_attn.norm.key_norm.scale'],
  [/\.q_norm\.weight/, '.norm.query_norm.scale'],
  [/\.k_norm\.weight/, '.norm.key_norm.scale'],
  [/_attn_proj\./, '_attn.proj.'],
  [/\.modulation\.linear\./, '.modulation.lin.'],
  [/_in\.mlp\.2\./, '_in.out_layer.'],
  [/_in\.mlp\.0\./, '_in.in_layer.'],
]

const blackForestLabs: Rewrites = [
  [/^x_embedder\./, 'img_in.'],
  [/^context_embedder\./, 'txt_in.'],
  [/^time_guidance_embed\.timestep_embedder\.linear_1\./, 'time_in.in_layer.'],
  [/^time_guidance_embed\.timestep_embedder\.linear_2\./, 'time_in.out_layer.'],
  [/^time_guidance_embed\.guidance_embedder\.linear_1\./, 'guidance_in.in_layer.'],
  [/^time_guidance_embed\.guidance_embedder\.linear_2\./, 'guidance_in.out_layer.'],
  [/_modulation(_img|_txt)?\.linear\./, '_modulation$1.lin.'],
  [/^norm_out\.linear\./, '~final_layer.adaLN_modulation.1.'],
  [/^proj_out\./, 'final_layer.linear.'],
  [/^single_transformer_blocks\.(\d+)\.attn\.to_qkv_mlp_proj\./, 'single_blocks.$1.linear1.'],
  [/^single_transformer_blocks\.(\d+)\.attn\.to_out\./, 'single_blocks.$1.linear2.'],
  [/^single_transformer_blocks\.(\d+)\.attn\.norm_q\.weight/, 'single_blocks.$1.norm.query_norm.scale'],
  [/^single_transformer_blocks\.(\d+)\.attn\.norm_k\.weight/, 'single_blocks.$1.norm.key_norm.scale'],
  [/^transformer_blocks\./, 'double_blocks.'],
  [/\.attn\.norm_q\.weight/, '.img_attn.norm.query_norm.scale'],
  [/\.attn\.norm_k\.weight/, '.img_attn.norm.key_norm.scale'],
  [/\.attn\.norm_added_q\.weight/, '.txt_attn.norm.query_norm.scale'],
  [/\.attn\.norm_added_k\.weight/, '.txt_attn.norm.key_norm.scale'],
  [/\.attn\.to_q\./, '.img_attn.qkv#0.'],
  [/\.attn\.to_k\./, '.img_attn.qkv#1.'],
  [/\.attn\.to_v\./, '.img_attn.qkv#2.'],
  [/\.attn\.add_q_proj\./, '.txt_attn.qkv#0.'],
  [/\.attn\.add_k_proj\./, '.txt_attn.qkv#1.'],
  [/\.attn\.add_v_proj\./, '.txt_attn.qkv#2.'],
  [/\.attn\.to_out\.0\./, '.img_attn.proj.'],
  [/\.attn\.to_add_out\./, '.txt_attn.proj.'],
  [/\.ff\.linear_in\./, '.img_mlp.0.'],
  [/\.ff\.linear_out\./, '.img_mlp.2.'],
  [/\.ff_context\.linear_in\./, '.txt_mlp.0.'],
  [/\.ff_context\.linear_out\./, '.txt_mlp.2.'],
]

const zImage: Rewrites = [
  [/^all_(x_embedder|final_layer)\.2-1\./, '$1.'],
  [/\.attention\.to_q\./, '.attention.qkv#0.'],
  [/\.attention\.to_k\./, '.attention.qkv#1.'],
  [/\.attention\.to_v\./, '.attention.qkv#2.'],
  [/\.attention\.to_out\.0\./, '.attention.out.'],
  [/\.attention\.norm_([qk])\./, '.attention.$1_norm.'],
]

const lightricks: Rewrites = [
  [/^proj_in\./, 'patchify_proj.'],
  [/^time_embed\./, 'adaln_single.'],
  [/\.norm_([qk])\./, '.$1_norm.'],
]

describe('other keys', () => {
  it.each([
    ['hunyuanvideo-a', "Tencent's", tencent],
    ['hunyuanvideo-a', "ComfyUI's", comfyui],
    ['flux2-a', "Black Forest Labs'", blackForestLabs],
    ['z-image-a', "ComfyUI's", zImage],
    ['ltx-video-a', "Lightricks'", lightricks],
  ] as const)('%s in %s', async (name, _, rewrites) => {
    const renamed = await rekeyed(name, rewrites)
    const dir = await caseWith(name, prefixed(renamed, 'model.diffusion_model.'))
    const results = await checkCase(dir)
    expect(results).toMatchObject([{ pass: true }, { name: expect.stringContaining('original keys'), pass: true }])
    expect(results[1]!.details).toEqual(results[0]!.details)
    await rm(dir, { recursive: true })
  })
})
