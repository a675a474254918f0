/** Model folders that ComfyUI's YAML files name. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { placesOf } from '../../server/config.ts'
import { readExtraModelPaths } from '../../server/store/extra-model-paths.ts'
import { modelFolderDirs, modelsIn } from '../../server/store/model-folders.ts'
import { freshData, heddle, removeData } from './harness.ts'

let root: string
beforeAll(async () => {
  root = await freshData()
  for (const file of [
    'far/sd/a.safetensors',
    'far/l1/b.safetensors',
    'far/l2/c.safetensors',
    'own/loras/b.safetensors',
  ]) {
    await mkdir(join(root, file, '..'), { recursive: true })
    await writeFile(join(root, file), '')
  }
  await writeFile(
    join(root, 'extra.yaml'),
    'a111:\n  base_path: far\n  checkpoints: sd\n  custom_nodes: nodes\n  hypernetworks: h\n  loras: |\n    l1\n    l2\nempty:\n',
  )
  await writeFile(
    join(root, 'first.yaml'),
    `here:\n  is_default: true\n  loras: ${join(root, 'far/l1')}\n  clip: text\n`,
  )
})
afterAll(() => removeData(root))

const dirsWith = (...files: string[]) =>
  placesOf({
    data: join(root, 'data'),
    models: [join(root, 'own')],
    extraModelPathsConfig: files.map((file) => join(root, file)),
  }).modelDirs

describe('--extra-model-paths-config', () => {
  it('adds folders of one kind, several a key, below base_path', () => {
    const dirs = dirsWith('extra.yaml')
    expect(modelsIn(dirs, 'checkpoints')).toContainEqual({
      name: 'a.safetensors',
      path: join(root, 'far/sd/a.safetensors'),
    })
    expect(modelsIn(dirs, 'loras')).toEqual([
      { name: 'b.safetensors', path: join(root, 'own/loras/b.safetensors') },
      { name: 'c.safetensors', path: join(root, 'far/l2/c.safetensors') },
    ])
    expect(modelsIn(dirs, 'vae').some(({ path }) => path.startsWith(join(root, 'far')))).toBe(false)
  })

  it('puts folders of a default section before all others, from several files, by older names too', () => {
    const dirs = dirsWith('extra.yaml', 'first.yaml', 'not-there.yaml')
    expect(modelsIn(dirs, 'loras')[0]?.path).toBe(join(root, 'far/l1/b.safetensors'))
    expect(modelFolderDirs(dirs, 'text_encoders')[0]).toBe(join(root, 'text'))
  })

  it('names the file and each fault', async () => {
    const file = join(root, 'bad.yaml')
    await writeFile(file, 'one:\n  loras: 5\ntwo: text\n')
    expect(() => readExtraModelPaths(file)).toThrow(/bad\.yaml.*one\.loras.*two/)
    await writeFile(file, 'one: [')
    expect(() => readExtraModelPaths(file)).toThrow(/bad\.yaml cannot be read as YAML/)
  })

  it('reaches the command line', async () => {
    const args = [
      '--extra-model-paths-config',
      join(root, 'extra.yaml'),
      '--extra-model-paths-config',
      join(root, 'first.yaml'),
    ]
    const { code, stdout } = await heddle(['models', '--data', join(root, 'data'), ...args])
    expect(code).toBe(0)
    expect(stdout).toContain(join(root, 'far/sd/a.safetensors'))
  })
})
