/** ModelSamplingDiscrete: what a model over betas predicts, where its file does not say it. */
import { withoutTerminalSignal } from '../../diffusion/families/parametrisation.ts'
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { choice, toggle } from '../spec.ts'

const KINDS = { eps: 'epsilon', v_prediction: 'v' } as const

export default defineNode({
  type: 'ModelSamplingDiscrete',
  category: 'sampling',
  title: 'ModelSamplingDiscrete',
  help: 'For Stable Diffusion models that predict v, or were trained without terminal signal (zsnr).',
  inputs: {
    model: port('MODEL', { help: 'It is not changed, the output is a new one.' }),
    sampling: choice(['eps', 'v_prediction'], { default: 'eps', help: 'What the model predicts: the noise, or v.' }),
    zsnr: toggle({ default: false, help: 'Moves the noise levels so that the last holds no signal.' }),
  },
  outputs: { MODEL: 'MODEL' },
  run({ model, sampling, zsnr }) {
    const { parametrisation: known } = model
    if (known.kind === 'flow')
      throw new Error(`ModelSamplingDiscrete: ${model.name} is a flow model; only models over betas predict eps or v`)
    const parametrisation = { ...known, kind: KINDS[sampling] }
    return { MODEL: { ...model, parametrisation: zsnr ? withoutTerminalSignal(parametrisation) : parametrisation } }
  },
})
