/** Node classes for the client's tests: the answer of /object_info, and the classes that ComfyUI's conversion cases use. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseJson } from '../../client/sdk/json.ts'
import { EDITOR_TYPES, parseNodeTypes, type NodeTypes } from '../../client/model/node-types.ts'

const folder = join(import.meta.dirname, '../fixtures/client')

export const readFixture = (name: string): unknown => parseJson(readFileSync(join(folder, name), 'utf8'))

/** All classes of the fixture, with the editor's own. */
export function fixtureTypes(): NodeTypes {
  const { types, faults } = parseNodeTypes(readFixture('object-info.json'))
  if (faults.length > 0) throw new Error(faults.join('\n'))
  return new Map([...types, ...EDITOR_TYPES])
}
