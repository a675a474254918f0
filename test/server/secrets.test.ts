/** Keys in extra_data reach nodes that ask for them, and nothing else: no answer, no file. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { entryOf, freshData, get, post, removeData, serve } from './harness.ts'

it('keys reach the nodes, but no list and no disk', async () => {
  const data = await freshData()
  const server = await serve(data)
  try {
    await get(server.url, '/object_info')
    const extra_data = { auth_token_comfy_org: 'secret-token-1', api_key_comfy_org: 'secret-key' }
    const { json } = await post(server.url, '/prompt', {
      prompt: { 1: { class_type: 'TestKeys', inputs: {} } },
      extra_data,
    })
    expect((await entryOf(server.url, json.prompt_id)).outputs).toEqual({ 1: { text: ['14 10'] } })
    for (const path of ['/history', '/queue', `/api/jobs/${json.prompt_id}`, `/api/heddle/jobs/${json.prompt_id}`])
      expect((await get(server.url, path)).text).not.toContain('secret-')
  } finally {
    await server.stop()
  }
  for (const file of await readdir(data, { recursive: true, withFileTypes: true }))
    if (file.isFile()) expect(await readFile(join(file.parentPath, file.name), 'latin1')).not.toContain('secret-')
  await removeData(data)
})
