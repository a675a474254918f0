/**
 * `heddle bench publish [FILE]`: writes the tables and plots of the README and of docs/ from a result of `heddle bench cache`, and
 * docs/forecast.md from it and from all of bench/results/forecast-*.json; the engine's table from bench/results/engine.json.
 */
import { join } from 'node:path'
import { publishEngine } from './engine/result.ts'
import { ROOT } from './options.ts'
import { publishForecast } from './publish-forecast.ts'
import { publish } from './publish.ts'
import { readResult } from './result.ts'

await publish(await readResult(process.argv[2] ?? join(ROOT, 'bench/results/cache.json')))
await publishForecast(ROOT)
await publishEngine(ROOT)
