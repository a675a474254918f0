/** Tells when files of node packs change: for `--dev`. */
import { watch } from 'node:fs'

/** Editors write a file in several steps; milliseconds of rest after the last. */
const REST = 150

/** Calls `onChange` after changes below the folders. Returns what stops it. A folder that cannot be watched is told of. */
export function watchPacks(
  dirs: readonly string[],
  onChange: () => void,
  onNotice: (text: string) => void,
): () => void {
  let timer: NodeJS.Timeout | undefined
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(onChange, REST)
  }
  const watchers = dirs.flatMap((dir) => {
    try {
      const watcher = watch(dir, { recursive: true }, soon)
      watcher.on('error', (error) => onNotice(`${dir} is watched no longer: ${error.message}`))
      return [watcher]
    } catch (error) {
      onNotice(`${dir} cannot be watched: ${error instanceof Error ? error.message : String(error)}`)
      return []
    }
  })
  return () => {
    clearTimeout(timer)
    for (const watcher of watchers) watcher.close()
  }
}
