/** The tiny U-Nets of the fixtures as the authors would have saved them: for tests of that layout. */
import type { Tensor } from '../../../diffusion/tensor.ts'

type Tensors = Readonly<Record<string, Tensor>>

/** Modules of both cases in the original layout; the two differ in which levels have attention. */
const MODULES: Readonly<Record<string, string>> = {
  conv_in: 'input_blocks.0.0',
  'time_embedding.linear_1': 'time_embed.0',
  'time_embedding.linear_2': 'time_embed.2',
  'add_embedding.linear_1': 'label_emb.0.0',
  'add_embedding.linear_2': 'label_emb.0.2',
  'down_blocks.0.resnets.0': 'input_blocks.1.0',
  'down_blocks.0.attentions.0': 'input_blocks.1.1',
  'down_blocks.0.downsamplers.0.conv': 'input_blocks.2.0.op',
  'down_blocks.1.resnets.0': 'input_blocks.3.0',
  'down_blocks.1.attentions.0': 'input_blocks.3.1',
  'mid_block.resnets.0': 'middle_block.0',
  'mid_block.attentions.0': 'middle_block.1',
  'mid_block.resnets.1': 'middle_block.2',
  'up_blocks.0.resnets.0': 'output_blocks.0.0',
  'up_blocks.0.attentions.0': 'output_blocks.0.1',
  'up_blocks.0.resnets.1': 'output_blocks.1.0',
  'up_blocks.0.attentions.1': 'output_blocks.1.1',
  'up_blocks.1.resnets.0': 'output_blocks.2.0',
  'up_blocks.1.attentions.0': 'output_blocks.2.1',
  'up_blocks.1.resnets.1': 'output_blocks.3.0',
  'up_blocks.1.attentions.1': 'output_blocks.3.1',
  conv_norm_out: 'out.0',
  conv_out: 'out.2',
}
const INNER: readonly (readonly [string, string])[] = [
  ['.norm1', '.in_layers.0'],
  ['.conv1', '.in_layers.2'],
  ['.time_emb_proj', '.emb_layers.1'],
  ['.norm2', '.out_layers.0'],
  ['.conv2', '.out_layers.3'],
  ['.conv_shortcut', '.skip_connection'],
]

/** A diffusers file of a case as CompVis would have saved it; `upsampler` is where its one upsampler lies. */
export const unetAsOriginal = (tensors: Tensors, upsampler: string, prefix: string): Tensors =>
  Object.fromEntries(
    Object.entries(tensors).map(([name, value]) => {
      const modules = { ...MODULES, 'up_blocks.0.upsamplers.0.conv': upsampler }
      const [from, to] = Object.entries(modules).find(([module]) => name.startsWith(`${module}.`))!
      const rest = name.slice(from.length)
      const inner = from.includes('resnets') ? INNER.find(([old]) => rest.startsWith(`${old}.`)) : undefined
      return [prefix + to + (inner ? inner[1] + rest.slice(inner[0].length) : rest), value]
    }),
  )
