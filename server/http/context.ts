/** What the routes work with. */
import type { ObjectInfo } from '../engine/protocol.ts'
import type { Supervisor } from '../engine/supervisor.ts'
import type { Dispatcher } from '../queue/dispatcher.ts'
import type { QueuePort } from '../queue/port.ts'
import type { History } from '../store/history.ts'
import type { ModelDir } from '../store/model-folders.ts'
import type { Settings } from '../store/settings.ts'
import type { Jobs } from '../jobs/jobs.ts'
import type { Webhooks } from '../jobs/webhooks.ts'
import type { Log } from '../log.ts'
import type { Hub } from '../socket/hub.ts'

export interface DataFolders {
  readonly input: string
  readonly output: string
  readonly temp: string
  readonly user: string
}

export interface Context {
  readonly folders: DataFolders
  readonly modelDirs: readonly ModelDir[]
  /** Folder of the workflows that are shipped. */
  readonly workflows: string
  readonly queue: QueuePort
  readonly dispatcher: Dispatcher
  readonly history: History
  readonly settings: Settings
  readonly hub: Hub
  readonly jobs: Jobs
  readonly log: Log
  readonly webhooks: Webhooks
  readonly engine: Supervisor
  /** Definitions of all nodes with today's files; while the engine computes, those of its last answer. */
  readonly objectInfo: () => Promise<ObjectInfo>
  readonly flags: Readonly<Record<string, unknown>>
  /** Bytes. */
  readonly maxUpload: number
  /** Pending prompts beyond which new ones are refused. */
  readonly maxQueue: number
}
