/** LoraLoaderModelOnly: puts a LoRA on a model and leaves its text encoders alone. */
import { applyLora } from '../../diffusion/families/lora/apply.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { file, float } from '../spec.ts'

export default defineNode({
  type: 'LoraLoaderModelOnly',
  category: 'loading',
  title: 'Load LoRA',
  help: 'Changes the weights of a model by a LoRA of any trainer. Files stay as they are; several LoRAs add up.',
  inputs: {
    model: port('MODEL'),
    lora_name: file('loras', { help: 'A .safetensors file in loras/ of models/ or --models.' }),
    strength_model: float({
      ...{ default: 1, min: -100, max: 100, step: 0.01 },
      help: 'How strongly the model is changed; 0 not at all, negative the other way.',
    }),
  },
  outputs: { MODEL: 'MODEL' },
  async run({ model, lora_name, strength_model }, { models, report }) {
    const applied = await applyLora(model, null, await models.lora(lora_name), { model: strength_model, clip: 0 })
    for (const opened of applied.opened) models.adopt(opened.value, () => opened.release())
    for (const warning of applied.warnings) report.warn(warning)
    return { MODEL: applied.model }
  },
})
