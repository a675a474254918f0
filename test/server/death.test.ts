/** Why an engine ended: memory that ran out is told from a person's kill, and then the prompt is not tried again. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { deathOf, KillCount, killsIn } from '../../server/engine/death.ts'
import { chain, Client, freshData, node, removeData, serve } from './harness.ts'

/** A count of the system's kills that goes from one value to the other after a job began. */
const counted = (before: number | null, after: number | null): KillCount => {
  let value = before
  const kills = new KillCount(() => value)
  kills.note()
  value = after
  return kills
}

describe('an engine that ended', () => {
  it('was killed for want of memory where the system has counted a kill', () => {
    const death = deathOf('SIGKILL', '', counted(2, 3))
    expect(death).toMatchObject({ name: 'EngineDiedError', outOfMemory: true })
    expect(death.message).toMatch(/memory ran out: a smaller size/)
  })

  it.each([
    ['a kill that the system did not count', 'SIGKILL', counted(2, 2)],
    ['a kill where the system does not tell', 'SIGKILL', counted(null, null)],
    ['a kill before whose job it did not tell', 'SIGKILL', counted(null, 3)],
    ['another signal', 'SIGSEGV', counted(2, 3)],
    ['an exit code', 'exit code 1', counted(2, 3)],
  ])('is not said to have lacked memory after %s', (_, how, kills) => {
    expect(deathOf(how, 'a | b', kills)).toMatchObject({ outOfMemory: false })
    expect(deathOf(how, 'some\nwords', kills).message).toBe(`the engine process ended (${how}): some | words`)
  })

  it('had a full heap where it says so, however long the trace behind', () => {
    const stderr = `FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n${' 1: 0xb0 node::Abort()\n'.repeat(100)}`
    expect(deathOf('SIGABRT', stderr, counted(2, 2))).toMatchObject({ outOfMemory: true })
    expect(deathOf('exit code 134', stderr, counted(2, 2)).message).toMatch(
      /^the engine process ended .*heap was full; a/,
    )
  })

  it('could not allocate where the libraries below say so', () => {
    const stderr = "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc"
    expect(deathOf('SIGABRT', stderr, counted(2, 2))).toMatchObject({ outOfMemory: true })
  })

  it('has its system’s count read', () => {
    expect(killsIn('pgfault 9\noom_kill 125\ndrop_pagecache 0\n')).toBe(125)
    expect(killsIn('pgfault 9\n')).toBeNull()
  })
})

describe('a prompt that fills the heap', () => {
  it('is tried once and failed with that reason, and the next one runs', async () => {
    const data = await freshData()
    const before = process.env['NODE_OPTIONS']
    process.env['NODE_OPTIONS'] = '--max-old-space-size=300'
    const server = await serve(data).finally(() => {
      if (before === undefined) delete process.env['NODE_OPTIONS']
      else process.env['NODE_OPTIONS'] = before
    })
    const client = await Client.connect(server)
    const count = join(data, 'runs')
    const id = await client.queue({
      1: node('TestConst', { value: 150 }),
      2: node('TestHeap', { value: ['1', 0], count }),
      3: node('TestShow', { value: ['2', 0] }),
    })
    const next = await client.queue(chain(1))
    await client.ended(id)
    const error = client.event(id, 'execution_error')
    expect(error).toMatchObject({ node_id: '2', node_type: 'TestHeap', exception_type: 'EngineDiedError' })
    expect(error!['exception_message']).toMatch(/given up after one attempt.*heap was full/)
    expect(await readFile(count, 'utf8')).toBe('.')
    await client.ended(next)
    expect(client.story(next)).toContain('execution_success')
    client.close()
    await server.stop()
    await removeData(data)
  })
})
