/** The rules of the house that a compiler does not check: direction of imports, the three doors, file length, first lines. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const sources = tracked.filter((path) => /\.(ts|css|py)$/.test(path) && !/generated\/|\.d\.ts$|fixtures\//.test(path))
const code = sources.filter((path) => /^(server|nodes|diffusion|formats|client|bench)\/.*\.ts$/.test(path))

/** Imports of a file: relative ones as paths from the root, packages by name; `typeOnly` when the whole import is types. */
function importsOf(path: string): { target: string; typeOnly: boolean }[] {
  const found = [
    ...read(path).matchAll(
      /(?:^|\n)\s*(?:import|export)\s+(type\s+)?[^'"()]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'/g,
    ),
  ]
  return found.map((match) => {
    const target = match[2] ?? match[3] ?? match[4] ?? ''
    return {
      target: target.startsWith('.') ? normalize(join(dirname(path), target)) : target,
      typeOnly: match[1] !== undefined,
    }
  })
}

const top = (path: string): string => path.split('/')[0] ?? ''

/** Folder to the folders it may import; 'types' allows type-only imports. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  diffusion: ['diffusion'],
  nodes: ['nodes', 'diffusion'],
  formats: ['formats'],
  server: ['server', 'nodes', 'diffusion', 'formats'],
  client: ['client', 'formats'],
  bench: ['bench', 'server', 'nodes', 'diffusion'],
}

/** Package to the only places that may import it. */
const DOORS: Readonly<Record<string, RegExp>> = {
  'onnxruntime-node': /^diffusion\/onnx\/session\.ts$/,
  'litegraph.js': /^client\/canvas\//,
  express: /^server\/(app\.ts|http\/)/,
}

function wrongImports(path: string): string[] {
  return importsOf(path).flatMap(({ target, typeOnly }) => {
    const door = Object.entries(DOORS).find(([name]) => target === name || target.startsWith(`${name}/`))
    if (door && !typeOnly && !door[1].test(path)) return [`${path} imports ${target}, which only ${door[1]} may`]
    if (target.startsWith('..')) return [`${path} imports ${target}, outside the project`]
    if (!tracked.includes(target)) return []
    const mayTake = MAY_IMPORT[top(path)] ?? []
    if (mayTake.includes(top(target))) return []
    if (typeOnly && top(path) === 'client' && /^(nodes|diffusion)\//.test(target)) return []
    if (target === 'package.json') return []
    return [`${path} imports ${target}: ${top(path)} may import ${mayTake.join(', ')}`]
  })
}

/** What model families share; of each other they know nothing. */
const SHARED_BY_FAMILIES = ['shared', 'text']

/** A model family may import its own folder and what families share: never another family. */
function crossModelFamily(path: string): string[] {
  const familyOf = (file: string) => /^diffusion\/families\/([^/]+)\//.exec(file)?.[1]
  const family = familyOf(path)
  if (family === undefined) return []
  return importsOf(path)
    .map(({ target }) => target)
    .filter((target) => ![undefined, family, ...SHARED_BY_FAMILIES].includes(familyOf(target)))
    .map((target) => `${path} imports ${target}, a model family never imports another`)
}

/** A node file may import its own folder, the contracts, what nodes that sample or save share, and diffusion: never another family of nodes. */
function crossFamily(path: string): string[] {
  const family = /^nodes\/([^/]+)\//.exec(path)?.[1]
  if (family === undefined) return []
  return importsOf(path)
    .filter(
      ({ target }) =>
        target.startsWith('nodes/') && !/^nodes\/(define|spec|ports|sampling-run|origin)\.ts$/.test(target),
    )
    .filter(({ target }) => !target.startsWith(`nodes/${family}/`))
    .map(({ target }) => `${path} imports ${target}, a node family never imports another`)
}

describe('architecture', () => {
  it('imports run one way, and packages come in by their doors', () => {
    expect(code.length).toBeGreaterThan(20)
    expect(code.flatMap(wrongImports)).toEqual([])
  })

  it('node families do not import each other', () => {
    expect(code.flatMap(crossFamily)).toEqual([])
  })

  it('model families do not import each other', () => {
    expect(code.flatMap(crossModelFamily)).toEqual([])
  })

  it('no file is longer than 300 lines', () => {
    const long = sources
      .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
      .filter(({ lines }) => lines > 300)
    expect(long).toEqual([])
  })

  it('every source file begins with a sentence that says what is in it', () => {
    const silent = code.filter((path) => !/^(#!.*\n)?\/\*\*/.test(read(path)))
    expect(silent).toEqual([])
  })

  it('the checker sees a wrong import', () => {
    const imports = importsOf('nodes/image/save-image.ts').map(({ target }) => target)
    expect(imports).toContain('nodes/define.ts')
    expect(imports).toContain('nodes/image/encoding/save.ts')
  })
})
