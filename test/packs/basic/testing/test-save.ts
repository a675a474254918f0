/** TestSave: an output node that writes a text file and tells what it was given. */
import { defineNode } from '../../../../nodes/define.ts'
import { hidden, port } from '../../../../nodes/ports.ts'
import { seed, text } from '../../../../nodes/spec.ts'

export default defineNode({
  type: 'TestSave',
  category: 'testing',
  help: 'Saves.',
  inputs: {
    value: port('INT'),
    noise_seed: seed(),
    filename_prefix: text({ default: 'test' }),
    extension: text({ default: 'txt', optional: true }),
    prompt: hidden('PROMPT'),
    unique_id: hidden('UNIQUE_ID'),
  },
  outputs: {},
  isOutput: true,
  async run({ value, noise_seed, filename_prefix, extension, unique_id }, { files }) {
    const bytes = Buffer.from(`${unique_id}: ${value} ${noise_seed} ${typeof noise_seed}`)
    const file = await files.save('output', filename_prefix, extension, bytes, { width: 4, height: 2 })
    return { ui: { images: [file] } }
  },
})
