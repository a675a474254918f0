/** KSamplerSelect: a sampler by name. */
import { samplers } from '../../diffusion/registry.ts'
import { defineNode } from '../define.ts'
import { samplerName } from '../sampling-run.ts'

export default defineNode({
  type: 'KSamplerSelect',
  category: 'sampling',
  title: 'KSamplerSelect',
  help: 'A sampler for the nodes of custom sampling.',
  inputs: { sampler_name: samplerName },
  outputs: { SAMPLER: 'SAMPLER' },
  run: ({ sampler_name }) => ({ SAMPLER: samplers.get(sampler_name)! }),
})
