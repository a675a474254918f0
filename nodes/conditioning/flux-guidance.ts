/** FluxGuidance: sets the guidance value that guidance-distilled FLUX models take as an input. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'
import { float } from '../spec.ts'

export default defineNode({
  type: 'FluxGuidance',
  category: 'conditioning',
  title: 'Flux Guidance',
  help: 'For models with a guidance embedding (FLUX.1-dev): the distilled guidance, at the price of one branch. Others ignore it.',
  inputs: {
    conditioning: port('CONDITIONING'),
    guidance: float({
      default: 3.5,
      min: 0,
      max: 100,
      step: 0.1,
      help: 'FLUX.1-dev was distilled for about 1.5 to 5.',
    }),
  },
  outputs: { CONDITIONING: 'CONDITIONING' },
  run: ({ conditioning, guidance }) => ({
    CONDITIONING: conditioning.map((one) => ({ ...one, extras: { ...one.extras, guidance } })),
  }),
})
