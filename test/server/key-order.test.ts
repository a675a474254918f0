/** Ids of nodes keep the order in which they were posted, which JavaScript's objects do not: in the history and in files. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readTexts } from '../../formats/metadata/read.ts'
import { NAMES } from '../../nodes/origin.ts'
import { inOrder, namesIn, orderedJson } from '../../server/json-order.ts'
import { heddle, serveFresh } from './harness.ts'

describe('names in order', () => {
  it('are read from the outermost object or from one in it, whatever else has names', () => {
    const text = '{"a":[{"9":1}],"prompt":{"10":{"3":{}},"b\\"":"x: {\\"7\\":1}","2":[{"1":0}]},"1":{}}'
    expect(namesIn(text)).toEqual(['a', 'prompt', '1'])
    expect(namesIn(text, 'prompt')).toEqual(['10', 'b"', '2'])
    expect([namesIn(text, 'none'), namesIn('{"prompt":[{"x":1}]}', 'prompt'), namesIn('[]'), namesIn('3')]).toEqual([
      [],
      [],
      [],
      [],
    ])
    expect(namesIn('{"x":{"prompt":{"5":1}},"prompt":{"6":1}}', 'prompt')).toEqual(['6'])
  })

  it('are noted only where they differ, and written as long as they fit', () => {
    const value = { 2: 18446744073709551615n, 10: 'x' } as Record<string, unknown>
    expect(NAMES in inOrder({ ...value }, ['2', '10'])).toBe(false)
    const noted = inOrder({ ...value }, ['10', '2'])
    expect(orderedJson(noted)).toBe('{"10":"x","2":18446744073709551615}')
    expect(orderedJson({ ...noted, 1: 0 })).toBe('{"1":0,"2":18446744073709551615,"10":"x"}')
  })
})

it(
  'a posted prompt keeps the order of its nodes, and every digit, in the history, in the file that it makes, and when that file is run',
  { timeout: 120_000 },
  async () => {
    const server = await serveFresh()
    try {
      const nodes = [
        '"10":{"class_type":"EmptyImage","inputs":{"width":16,"height":16,"batch_size":1,"color":5}}',
        '"2":{"class_type":"SaveImage","inputs":{"images":["10",0],"filename_prefix":"order","note":18446744073709551615}}',
      ]
      const body = `{"client_id":"x","prompt":{${nodes.join()}},"prompt_id":"ordered"}`
      expect((await fetch(`${server.url}/prompt`, { method: 'POST', body })).status).toBe(200)
      const ended = await fetch(`${server.url}/api/heddle/jobs/ordered?wait=20`)
      expect(await ended.json()).toMatchObject({ status: 'completed' })
      const history = await (await fetch(`${server.url}/history/ordered`)).text()
      expect(namesIn(history.slice(history.indexOf('"ordered",') + '"ordered",'.length))).toEqual(['10', '2'])
      expect(history).toContain('"note":18446744073709551615')
      const idsIn = async (path: string) => namesIn((await readTexts(await readFile(path))).get('prompt') ?? '')
      const made = join(server.data, 'output/order_00001_.png')
      expect(await idsIn(made)).toEqual(['10', '2'])
      // The file itself is run again, with an input changed.
      const { code, stdout } = await heddle(['run', made, '--data', server.data, '--set', '10.width=32', '--json'])
      expect(code, stdout).toBe(0)
      expect(await idsIn(join(server.data, 'output/order_00002_.png'))).toEqual(['10', '2'])
    } finally {
      await server.end()
    }
  },
)
