/** TestKeys: shows how long the keys are that came beside the prompt. */
import { defineNode } from '../../../../nodes/define.ts'
import { hidden } from '../../../../nodes/ports.ts'

export default defineNode({
  type: 'TestKeys',
  category: 'testing',
  help: 'Shows the lengths of the hidden keys.',
  inputs: { token: hidden('AUTH_TOKEN_COMFY_ORG'), key: hidden('API_KEY_COMFY_ORG') },
  outputs: {},
  isOutput: true,
  run: ({ token, key }) => ({ ui: { text: [`${token?.length ?? 0} ${key?.length ?? 0}`] } }),
})
