/** LoraLoader: puts a LoRA on a model and its text encoders. */
import { applyLora } from '../../diffusion/families/lora/apply.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { file, float } from '../spec.ts'

const strength = { default: 1, min: -100, max: 100, step: 0.01 }

export default defineNode({
  type: 'LoraLoader',
  category: 'loading',
  title: 'Load LoRA (Model and CLIP)',
  help: 'Changes the weights of a model and its text encoders by a LoRA of any trainer. Files stay as they are; several LoRAs add up.',
  inputs: {
    model: port('MODEL'),
    clip: port('CLIP'),
    lora_name: file('loras', { help: 'A .safetensors file in loras/ of models/ or --models.' }),
    strength_model: float({
      ...strength,
      help: 'How strongly the model is changed; 0 not at all, negative the other way.',
    }),
    strength_clip: float({ ...strength, help: 'How strongly the text encoders are changed.' }),
  },
  outputs: { MODEL: 'MODEL', CLIP: 'CLIP' },
  async run({ model, clip, lora_name, strength_model, strength_clip }, { models, report }) {
    const lora = await models.lora(lora_name)
    const applied = await applyLora(model, clip, lora, { model: strength_model, clip: strength_clip })
    for (const opened of applied.opened) models.adopt(opened.value, () => opened.release())
    for (const warning of applied.warnings) report.warn(warning)
    return { MODEL: applied.model, CLIP: applied.clip ?? clip }
  },
})
