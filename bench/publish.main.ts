/** `heddle bench publish [FILE]`: writes the tables and plots of the README and of docs/ from a result of `heddle bench cache`. */
import { join } from 'node:path'
import { ROOT } from './options.ts'
import { publish } from './publish.ts'
import { readResult } from './result.ts'

await publish(await readResult(process.argv[2] ?? join(ROOT, 'bench/results/cache.json')))
