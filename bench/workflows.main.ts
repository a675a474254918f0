/** `heddle bench workflows`: writes a saved workflow for every caching method into workflows/, after a new method or setting. */
import { writeFile } from 'node:fs/promises'
import { loadRegistry } from '../server/engine/registry.ts'
import { workflowFiles, workflowPath } from './workflow-files.ts'

const registry = await loadRegistry()
if (registry.problems.length > 0) throw new Error(registry.problems.join('\n'))
for (const { name, text } of await workflowFiles(registry)) {
  await writeFile(workflowPath(name), text)
  console.log(name)
}
