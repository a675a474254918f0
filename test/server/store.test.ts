/** What is kept on disk: rows of earlier versions, the limit of the history, jobs that had ended, and prompts that were answered before a kill -9. */
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SqliteQueue } from '../../server/queue/sqlite.ts'
import type { NewJob } from '../../server/queue/port.ts'
import { DatabaseError, openDatabase } from '../../server/store/database.ts'
import { History } from '../../server/store/history.ts'
import { Writer } from '../../server/store/writer.ts'
import { chain, freshData, get, historyOf, post, remaining, removeData, serve } from './harness.ts'

const NOTHING = { reports: { reports: [], warnings: [] }, nodes: {} }
const entryOf = (id: string): string =>
  `{"prompt":[1,"${id}",{},{},[]],"outputs":{},"status":{"status_str":"success","completed":true,"messages":[]},"meta":{}}`
const jobOf = (promptId: string, number: number): NewJob => ({
  ...{ number, promptId, extraData: { seed: 2n ** 60n }, outputs: ['1'] },
  texts: {
    prompt: '{"1":{"class_type":"A","inputs":{}}}',
    extraData: '{"seed":1152921504606846976}',
    outputs: '["1"]',
  },
})

let data: string
let path: string
beforeEach(async () => {
  data = await freshData()
  path = join(data, 'heddle.db')
})
afterEach(() => removeData(data))

/** Opens the file and hands its parts to `use`, then closes it as a server does that ends. */
async function withStore<T>(use: (parts: Parts) => T | Promise<T>): Promise<T> {
  const opened = openDatabase(path)
  const { database } = opened
  const failures: string[] = []
  const writer = new Writer(database, path, (error) => failures.push(error.message))
  const parts = {
    database,
    writer,
    failures,
    history: new History(database, writer),
    queue: new SqliteQueue(database, writer),
  }
  try {
    return await use(parts)
  } finally {
    await writer.close()
    opened.close()
  }
}
interface Parts {
  readonly database: Database.Database
  readonly writer: Writer
  readonly history: History
  readonly queue: SqliteQueue
  readonly failures: readonly string[]
}

describe('the file', () => {
  it.each(['', '.lock'])('is named with the reason when a folder %s is in its place', async (ending) => {
    await mkdir(path + ending)
    expect(() => openDatabase(path)).toThrow(DatabaseError)
    expect(() => openDatabase(path)).toThrow(`${path}${ending} cannot be opened as the database: it is a folder.`)
    await rmdir(path + ending)
    openDatabase(path).close()
  })

  it('is named with the reason when its folder is not there, or its log cannot be used', async () => {
    expect(() => openDatabase(join(data, 'none/heddle.db'))).toThrow(/none\/heddle\.db\.lock cannot be opened.*ENOENT/)
    await mkdir(`${path}-wal`)
    expect(() => openDatabase(path)).toThrow(/heddle\.db cannot be opened as the database: disk I\/O error/)
  })

  it('of version 1 is brought up to date with everything in it', async () => {
    const old = new Database(path)
    old.exec(`
      CREATE TABLE queue (prompt_id TEXT PRIMARY KEY, number REAL NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL,
        job TEXT NOT NULL) WITHOUT ROWID;
      CREATE INDEX queue_order ON queue (state, number, prompt_id);
      CREATE TABLE history (place INTEGER PRIMARY KEY AUTOINCREMENT, prompt_id TEXT NOT NULL UNIQUE, entry TEXT NOT NULL);
      CREATE TABLE reports (prompt_id TEXT PRIMARY KEY, summary TEXT NOT NULL, reports TEXT NOT NULL) WITHOUT ROWID;
      CREATE TRIGGER reports_go_with_history AFTER DELETE ON history
        BEGIN DELETE FROM reports WHERE prompt_id = OLD.prompt_id; END;
      CREATE TABLE node_times (prompt_id TEXT PRIMARY KEY, nodes TEXT NOT NULL) WITHOUT ROWID;
      CREATE TRIGGER node_times_go_with_history AFTER DELETE ON history
        BEGIN DELETE FROM node_times WHERE prompt_id = OLD.prompt_id; END;
      INSERT INTO queue VALUES ('late', 7, 'pending', 0, '{"prompt":{"1":{"class_type":"B","inputs":{}}},"extraData":{},"outputs":["1"]}'),
        ('early', 3, 'running', 1, '{"prompt":{"1":{"class_type":"A","inputs":{"seed":18446744073709551615}}},"extraData":{},"outputs":["1"]}');
      INSERT INTO history (place, prompt_id, entry) VALUES (4, 'first', '${entryOf('first')}'), (9, 'second', '${entryOf('second')}');
      INSERT INTO reports VALUES ('second', '[]', '{"reports":[1],"warnings":[]}');
      INSERT INTO node_times VALUES ('second', '{"1":{"state":"finished","value":1,"max":1,"seconds":2}}');
      PRAGMA user_version = 1;
    `)
    old.close()
    await withStore(({ history, queue }) => {
      expect(history.ids()).toEqual(['first', 'second'])
      expect([history.nodesOf('first'), history.nodesOf('second')]).toMatchObject([{}, { 1: { seconds: 2 } }])
      expect(history.reportsJson('second')).toBe('{"reports":[1],"warnings":[]}')
      expect(queue.recover()).toBe(1)
      const [early, late] = [queue.take(), queue.take()]
      expect([early?.promptId, early?.attempt, late?.promptId]).toEqual(['early', 2, 'late'])
      expect(early?.texts.prompt).toContain('18446744073709551615')
      // The reports of an entry go with it.
      history.remove(['second'])
      expect(history.reportsJson('second')).toBeNull()
    })
    // Once is enough.
    await withStore(({ history }) => expect(history.ids()).toEqual(['first']))
  })

  it('keeps the newest 10,000 entries, and their places after a restart', async () => {
    await withStore(({ history, writer }) => {
      for (let i = 0; i < 10_050; i++) history.add(`p${i}`, entryOf(`p${i}`), NOTHING)
      writer.flush()
      expect([history.ids().length, history.ids()[0]]).toEqual([10_000, 'p50'])
    })
    await withStore(({ history }) => {
      history.add('p60', entryOf('again'), NOTHING)
      history.add('p10050', entryOf('p10050'), NOTHING)
      expect(history.ids().slice(-3)).toEqual(['p10049', 'p60', 'p10050'])
      // The place that p60 had stays empty.
      expect([history.ids().length, history.getJson('p60')]).toEqual([9999, entryOf('again')])
    })
  })

  it('does not run what had ended when the server died before it could empty the queue', async () => {
    await withStore(async ({ queue, history, writer }) => {
      await queue.put(jobOf('ended', 1))
      await queue.put(jobOf('waits', 2))
      history.add('ended', entryOf('ended'), NOTHING)
      writer.flush()
    })
    await withStore(({ queue }) => {
      queue.recover()
      const job = queue.take()
      expect([job?.promptId, job?.extraData, queue.take()]).toEqual(['waits', { seed: 2n ** 60n }, null])
    })
  })

  it('has nothing of a transaction that failed, and all of the next', async () => {
    await withStore(async ({ queue, writer, history, database }) => {
      const number = await queue.nextNumber()
      const puts = [
        queue.put(jobOf('lost', number)),
        writer.durable(() => database.exec('INSERT INTO nowhere VALUES (1)')),
      ]
      expect((await Promise.allSettled(puts)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
      expect(queue.take()).toBeNull()
      await queue.put(jobOf('lost', await queue.nextNumber()))
      history.add('old', entryOf('old'), NOTHING)
    })
    await withStore(async ({ queue, history }) => {
      queue.recover()
      expect([queue.take()?.promptId, await queue.nextNumber(), history.ids()]).toEqual(['lost', 3, ['old']])
    })
  })
})

it('what many clients were told is queued outlives a kill -9, in the order of their numbers, and is run', async () => {
  const first = await serve(data)
  await post(first.url, '/api/heddle/queue/pause', {})
  const told = await Promise.all(
    Array.from({ length: 40 }, (_, i) => post(first.url, '/prompt', { prompt: chain(1000 + i) })),
  )
  expect(await first.stop('SIGKILL')).toBeNull()
  expect(told.map(({ status }) => status)).toEqual(told.map(() => 200))
  const ids = told.sort((a, b) => a.json.number - b.json.number).map(({ json }) => json.prompt_id)
  const second = await serve(data)
  const { json } = await get(second.url, '/queue')
  expect(json.queue_pending.map((item) => item[1])).toEqual(ids)
  await post(second.url, '/api/heddle/queue/resume', {})
  await expect.poll(() => remaining(second.url), { timeout: 40_000 }).toBe(0)
  const history = await historyOf(second.url)
  expect(Object.keys(history)).toEqual(ids)
  expect(Object.values(history).every(({ status }) => status.completed)).toBe(true)
  await second.stop()
})
