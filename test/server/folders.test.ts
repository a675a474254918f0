/** Folders that cannot be used: the message names the folder, the reason and the option, and never blames the port. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explained } from '../../server/commands/serve.ts'
import { makeFolders } from '../../server/config.ts'
import { makeFolder } from '../../server/store/folder.ts'

let base: string
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'heddle-folders-'))
})
afterAll(() => rm(base, { recursive: true, force: true }))

const foldersIn = (data: string) => ({
  input: join(data, 'input'),
  output: join(data, 'output'),
  temp: join(data, 'temp'),
  user: join(data, 'user'),
})

describe('folders', () => {
  it('are made with those above them, also by several at once', async () => {
    const deep = join(base, 'a', 'b', 'c')
    await Promise.all([makeFolder(deep, '--data'), makeFolder(join(base, 'a', 'b', 'd'), '--data')])
    expect(await readdir(join(base, 'a', 'b'))).toEqual(['c', 'd'])
    await makeFolder(deep, '--data')
  })

  it('that a file stands in the way of are named, with the option', async () => {
    const file = join(base, 'file')
    await writeFile(file, '')
    await expect(makeFolder(file, '--out')).rejects.toThrow(/file cannot be used: a file is in the way .*--out/)
    await expect(makeFolders(foldersIn(file))).rejects.toThrow(/user.* cannot be used: a file is in the way.*--data/)
  })

  it.skipIf(!existsSync('/proc/self'))('that the system refuses end in a message, not in endless tries', async () => {
    await expect(makeFolder('/proc/heddle/data', '--data')).rejects.toThrow(/cannot be used: no folder can be made/)
  })

  it('of a new installation hold the example pictures; an input folder that is there is left alone', async () => {
    const data = join(base, 'data')
    await makeFolders(foldersIn(data))
    expect(await readdir(join(data, 'input'))).toContain('example.png')
    const other = join(base, 'other')
    await mkdir(join(other, 'input'), { recursive: true })
    await makeFolders(foldersIn(other))
    expect(await readdir(join(other, 'input'))).toEqual([])
  })
})

describe('a server that does not start', () => {
  const refusal = (code: string, syscall: string) => Object.assign(new Error(`${code}: ${syscall}`), { code, syscall })

  it('blames the port only for what listening threw', () => {
    expect(explained(refusal('EACCES', 'listen'), '127.0.0.1', 80).message).toContain('Port 80 needs more rights')
    expect(explained(refusal('EADDRINUSE', 'listen'), '127.0.0.1', 80).message).toContain('--port 81')
    const folder = refusal('EACCES', 'mkdir')
    expect(explained(folder, '127.0.0.1', 80)).toBe(folder)
    expect(explained('odd', '127.0.0.1', 80).message).toBe('odd')
  })
})
