/** ApplyCache: puts a caching method on a model, so that it goes through guiders and custom samplers too. */
import { defineNode } from '../define.ts'
import { port } from '../ports.ts'

export default defineNode({
  type: 'ApplyCache',
  category: 'caching',
  title: 'Apply Cache',
  help: "Puts a caching method on a model, for samplers without a cache input. A sampler's own cache input comes first; a second ApplyCache replaces the first.",
  inputs: {
    model: port('MODEL', { help: 'Any model; it is not changed, the output is a new one that carries the method.' }),
    cache: port('CACHE', { help: 'The caching method that samplers of this model are to use.' }),
  },
  outputs: { MODEL: 'MODEL' },
  run: ({ model, cache }) => ({ MODEL: { ...model, cache } }),
})
