/** What every run of an engine shares. */
import type { Files, Models } from '../../nodes/define.ts'
import type { Lists } from '../../nodes/spec.ts'
import type { Memo } from './memo.ts'
import type { Pace } from './pace.ts'
import type { Registry } from './registry.ts'

export interface Engine {
  readonly registry: Registry
  readonly memo: Memo
  readonly files: Files
  readonly models: Models
  readonly lists: Lists
  readonly metadata: boolean
  readonly previewSize: number
  readonly pace: Pace
}
