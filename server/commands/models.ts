/** heddle models: what is found, and where. */
import { missingDirs, placesOf, type PlaceOptions } from '../config.ts'
import { MODEL_FOLDERS, modelsIn } from '../store/model-folders.ts'

export function listModels(options: PlaceOptions): void {
  const missing = missingDirs(options.models)
  if (missing.length > 0) throw new Error(`These folders do not exist: ${missing.join(', ')}`)
  const { modelDirs } = placesOf(options)
  const found = Object.keys(MODEL_FOLDERS).flatMap((folder) =>
    modelsIn(modelDirs, folder).map(({ name, path }) => ({ folder, name, path })),
  )
  const widest = (texts: readonly string[]): number => Math.max(0, ...texts.map(({ length }) => length))
  const [folders, names] = [widest(found.map(({ folder }) => folder)), widest(found.map(({ name }) => name))]
  for (const { folder, name, path } of found)
    process.stdout.write(`${folder.padEnd(folders)}  ${name.padEnd(names)}  ${path}\n`)
  if (found.length === 0)
    process.stdout.write(
      `No models in ${modelDirs.map((dir) => (typeof dir === 'string' ? dir : dir.path)).join(', ')}. Put a diffusers folder there, or name one with --models DIR.\n`,
    )
}
