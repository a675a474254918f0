/** BasicGuider: one prompt without guidance, for models that have it built in. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'BasicGuider',
  category: 'sampling',
  title: 'BasicGuider',
  help: 'One prompt and no negative one, for guidance-distilled models such as FLUX.1.',
  inputs: { model: port('MODEL'), conditioning: port('CONDITIONING') },
  outputs: { GUIDER: 'GUIDER' },
  run: ({ model, conditioning }) => ({ GUIDER: { model, positive: conditioning, negative: [], guidance: 1 } }),
})
