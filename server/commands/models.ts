/** heddle models: what is found, and where. */
import { missingDirs, placesOf, type PlaceOptions } from '../config.ts'
import { MODEL_FOLDERS, modelsIn } from '../store/model-folders.ts'

export function listModels(options: PlaceOptions): void {
  const missing = missingDirs(options.models)
  if (missing.length > 0) throw new Error(`These folders do not exist: ${missing.join(', ')}`)
  const { modelDirs } = placesOf(options)
  let found = 0
  for (const folder of Object.keys(MODEL_FOLDERS))
    for (const { name, path } of modelsIn(modelDirs, folder)) {
      found++
      process.stdout.write(`${folder.padEnd(18)} ${name.padEnd(40)} ${path}\n`)
    }
  if (found === 0)
    process.stdout.write(
      `No models in ${modelDirs.map((dir) => (typeof dir === 'string' ? dir : dir.path)).join(', ')}. Put a diffusers folder there, or name one with --models DIR.\n`,
    )
}
